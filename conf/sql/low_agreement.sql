-- One row is an image whose neighbours disagree: the tenth with the least agreement of each settings.
SELECT
  p.image_id, p.settings_hash, p.image_uri, p.predicted_prompt, p.agreement, p.mean_similarity,
  p.confidence, a.tenth AS agreement_of_the_tenth, p.predicted_at
FROM {latest_predictions} p
-- A percentile and a join: a rank over all predictions would sort them in one task.
JOIN (
  SELECT settings_hash, percentile_approx(agreement, 0.1) AS tenth
  FROM {latest_predictions} GROUP BY settings_hash
) a ON a.settings_hash = p.settings_hash AND p.agreement <= a.tenth
