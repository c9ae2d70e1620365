-- One row is an input that was refused: a prompt, an image, or a picture that could not be made.
SELECT 'prompt' AS kind, source, text AS item, reason, detail, rejected_at, run_id
FROM {rejected_prompts}
UNION ALL
SELECT 'image', NULL, image_uri, reason, detail, rejected_at, run_id
FROM {rejected_images}
UNION ALL
SELECT 'generated picture', generator, prompt_id, reason, detail, rejected_at, run_id
FROM {rejected_prompt_images}
