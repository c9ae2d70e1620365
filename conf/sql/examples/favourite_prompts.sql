-- Which prompts are everybody's neighbour? (Such hubs say little of an image.)
SELECT prompt, images, images_it_names, round(mean_similarity, 3) AS mean_similarity
FROM prompt_use
ORDER BY images DESC, prompt
LIMIT 20
