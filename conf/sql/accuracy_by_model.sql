-- One row is a method and its models, with the mean cosine to the true prompts last measured.
-- All methods are here, those of a grid and of options too: the best of many owes some of its lead to chance.
SELECT * EXCEPT (newest)
FROM (
  SELECT
    variant, clip_model, sentence_model, mean_cosine, interval_low, interval_high, images, truths,
    prompts_left_out, k, w1, w2, index_version, evaluated_at,
    row_number() OVER (
      PARTITION BY variant, clip_model, sentence_model ORDER BY evaluated_at DESC, run_id
    ) AS newest
  FROM {evaluations}
)
WHERE newest = 1
