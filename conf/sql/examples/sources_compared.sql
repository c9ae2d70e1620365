-- Which source of prompts serves the images best?
SELECT source, images, round(mean_similarity, 3) AS similarity,
  round(mean_agreement, 3) AS agreement, round(mean_cosine, 3) AS cosine
FROM accuracy_by_source
ORDER BY images DESC, source
