-- What was refused, and why?
SELECT kind, source, reason, count(*) AS items, any_value(detail) AS for_example
FROM rejected
GROUP BY kind, source, reason
ORDER BY items DESC, kind, reason
LIMIT 100
