-- What are the three nearest prompts of each image?
SELECT image_uri, rank, prompt, round(similarity, 3) AS similarity
FROM neighbours
WHERE rank <= 3
ORDER BY image_uri, predicted_at DESC, settings_hash, rank
LIMIT 300
