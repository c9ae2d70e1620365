-- One row is a source of prompts and its models, with what the images got whose nearest prompt it gave.
-- mean_cosine is of the images with a true prompt, as jobs/evaluate.py last scored them on the index that
-- predicted them, without prompts too close to a truth.
SELECT
  coalesce(s.source, 'predicted caption') AS source, p.clip_model, p.sentence_model,
  count(*) AS images,
  avg(p.mean_similarity) AS mean_similarity,
  avg(p.agreement) AS mean_agreement,
  avg(p.confidence) AS mean_confidence,
  count(e.cosine) AS evaluated_images,
  avg(e.cosine) AS mean_cosine
FROM {latest_predictions} p
LEFT JOIN {prompts} s ON s.prompt_id = p.neighbours[0].prompt_id
LEFT JOIN (
  SELECT image_id, settings_hash, index_version, max_by(cosine, evaluated_at) AS cosine
  FROM {evaluated_images} GROUP BY image_id, settings_hash, index_version
) e
  ON e.image_id = p.image_id AND e.settings_hash = p.settings_hash
  AND e.index_version = p.index_version
GROUP BY s.source, p.clip_model, p.sentence_model
