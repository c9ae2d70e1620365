-- How much of the pool is any image's neighbour?
SELECT u.settings_hash, count(*) AS prompts_found, any_value(t.pool) AS prompts_in_the_pool,
  round(100 * count(*) / any_value(t.pool), 2) AS percent
FROM prompt_use u
CROSS JOIN (SELECT count(*) AS pool FROM prompts) t
GROUP BY u.settings_hash
ORDER BY u.settings_hash
