-- Which models and methods come nearest to the true prompts?
SELECT clip_model, variant, round(mean_cosine, 3) AS mean_cosine,
  round(interval_low, 3) AS low, round(interval_high, 3) AS high, images
FROM accuracy_by_model
ORDER BY mean_cosine DESC, variant
LIMIT 50
