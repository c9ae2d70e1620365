-- One row is a neighbour of a prediction.
SELECT
  image_id, settings_hash, image_uri,
  neighbour.rank, neighbour.prompt_id, neighbour.prompt, neighbour.similarity,
  index_version, predicted_at
FROM (SELECT *, explode(neighbours) AS neighbour FROM {predictions})
