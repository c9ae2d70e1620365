-- Which predictions are the surest? (Confidence is null until evaluate.py --calibrate has run.)
SELECT image_uri, predicted_prompt, agreement, mean_similarity, confidence
FROM latest_predictions
ORDER BY coalesce(confidence, agreement) DESC, image_uri
LIMIT 20
