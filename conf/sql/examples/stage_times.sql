-- How long does each stage take, and how fast is it?
SELECT stage, count(*) AS runs, round(sum(seconds), 1) AS seconds,
  round(sum(rows_in) / sum(seconds)) AS rows_per_second
FROM job_history
WHERE status = 'succeeded'
GROUP BY stage
ORDER BY seconds DESC
