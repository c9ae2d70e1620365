-- One row is a prompt that some image has for a neighbour, and how often.
SELECT
  settings_hash, prompt_id, any_value(prompt) AS prompt,
  count(*) AS images,
  count_if(rank = 1) AS images_it_names,
  avg(similarity) AS mean_similarity
FROM {neighbours}
GROUP BY settings_hash, prompt_id
