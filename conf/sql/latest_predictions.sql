-- One row is an image, with its latest prediction: those of older settings are left out.
SELECT * EXCEPT (newest)
FROM (
  SELECT *,
    row_number() OVER (PARTITION BY image_id ORDER BY predicted_at DESC, settings_hash) AS newest
  FROM {predictions}
)
WHERE newest = 1
