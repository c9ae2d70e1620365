"""Tables of images: generated from prompts, and those whose prompts are predicted."""

from promptknn.table import Column, Table
from promptknn.tables.columns import VECTOR

_PICTURE = (
    Column("prompt_id", "STRING", "The prompt"),
    Column("seed", "BIGINT", "Seed of the picture's noise, made from prompt_id and number"),
    Column("generator", "STRING", "Hash of the diffusion model's weights and its settings"),
    Column("number", "INT", "Which picture of the prompt, from 0"),
)

PROMPT_IMAGES = Table(
    "prompt_images",
    "Pictures made from prompts; the files lie beside the tables.",
    ("prompt_id", "seed", "generator"),
    (
        *_PICTURE,
        Column("image_uri", "STRING", "Where the picture lies, a PNG"),
        Column("image_bytes", "BIGINT", "Size of the file"),
        Column("width", "INT", "Width in pixels"),
        Column("height", "INT", "Height in pixels"),
        Column(
            "safety",
            "STRING",
            "What the model's safety checker said: safe, flagged (the picture is black), or "
            "not_checked",
        ),
        Column("model", "STRING", "The diffusion model"),
        Column("scheduler", "STRING", "How noise is taken away; `model`: as the model says"),
        Column("steps", "INT", "Steps of the scheduler"),
        Column("guidance", "DOUBLE", "Classifier-free guidance scale"),
        Column("generated_at", "TIMESTAMP", "When it was made"),
    ),
    {
        "safety_is_known": "safety IN ('safe', 'flagged', 'not_checked')",
        "picture_has_a_size": "width > 0 AND height > 0 AND image_bytes > 0",
    },
)

REJECTED_PROMPT_IMAGES = Table(
    "rejected_prompt_images",
    "Pictures that could not be made, each for one reason.",
    ("prompt_id", "seed", "generator"),
    (
        *_PICTURE,
        Column("reason", "STRING", "Why there is no picture"),
        Column("detail", "STRING", "What was found"),
        Column("rejected_at", "TIMESTAMP", "When it was refused"),
    ),
    {"reason_is_not_empty": "length(reason) > 0"},
)

IMAGE_EMBEDDINGS = Table(
    "image_embeddings",
    "What the image tower says of each readable image.",
    ("image_id", "clip_model"),
    (
        Column("image_id", "STRING", "SHA-256 of the file's content, in hex"),
        Column("clip_model", "STRING", "Model of the vector"),
        Column("image_uri", "STRING", "Where the image was read"),
        Column("image_bytes", "BIGINT", "Size of the file"),
        Column("modified_at", "TIMESTAMP", "Modification time of the file"),
        Column("width", "INT", "Width in pixels, upright"),
        Column("height", "INT", "Height in pixels, upright"),
        Column("embedding", VECTOR, "Vector as the image tower gives it"),
        Column("dim", "INT", "Its dimension"),
        Column("embedded_at", "TIMESTAMP", "When it was computed"),
    ),
    {
        "image_id_is_sha256": "length(image_id) = 64",
        "dim_matches": "size(embedding) = dim",
    },
)

REJECTED_IMAGES = Table(
    "rejected_images",
    "Images that could not be used, each for one reason.",
    ("image_uri", "image_bytes", "modified_at", "clip_model"),
    (
        Column("image_uri", "STRING", "Where the image was looked for"),
        Column("image_bytes", "BIGINT", "Size of the file, -1 when unknown"),
        Column("modified_at", "TIMESTAMP", "Modification time of the file"),
        Column("clip_model", "STRING", "Model the image was meant for"),
        Column("reason", "STRING", "Why it was refused"),
        Column("detail", "STRING", "What was found; for duplicate_image the image_id it repeats"),
        Column("rejected_at", "TIMESTAMP", "When it was refused"),
    ),
    {"reason_is_not_empty": "length(reason) > 0"},
)
