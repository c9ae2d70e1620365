-- Which images should a person look at?
SELECT image_uri, predicted_prompt, agreement
FROM low_agreement
ORDER BY agreement, image_uri
LIMIT 50
