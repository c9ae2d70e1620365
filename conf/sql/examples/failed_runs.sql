-- What failed lately, and why?
SELECT started_at, stage, error, run_id
FROM job_history
WHERE status = 'failed'
ORDER BY started_at DESC
LIMIT 20
