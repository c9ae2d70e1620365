"""Tables of predictions, and of how near they come to the truth."""

from promptknn.table import Column, Table
from promptknn.tables.columns import MODELS, VECTOR

PREDICTIONS = Table(
    "predictions",
    "The prompt predicted for each image, one row an image and settings.",
    ("image_id", "settings_hash"),
    (
        Column("image_id", "STRING", "The image"),
        Column("settings_hash", "STRING", "Hash of the prediction settings and the models"),
        Column("image_uri", "STRING", "Where the image was read"),
        Column("index_version", "STRING", "Index that was searched"),
        Column("predicted_prompt", "STRING", "The nearest prompt (prompt_m of the paper)"),
        Column(
            "neighbours",
            "ARRAY<STRUCT<rank: INT, prompt_id: STRING, prompt: STRING, similarity: FLOAT>>",
            "The nearest prompts, best first",
        ),
        Column("embedding", VECTOR, "E_pred: predicted sentence embedding of the prompt"),
        Column("dim", "INT", "Its dimension"),
        Column("mean_similarity", "FLOAT", "Mean similarity of the neighbours in E_pred1"),
        Column("agreement", "FLOAT", "Length of E_pred1: 1 where its neighbours say the same"),
        Column(
            "confidence",
            "FLOAT",
            "Expected cosine to the true prompt; null until jobs/evaluate.py --calibrate has run",
            nullable=True,
        ),
        Column("k", "INT", "Neighbours averaged in E_pred1"),
        Column("w1", "DOUBLE", "Weight of E_pred1"),
        Column("w2", "DOUBLE", "Weight of E_pred2"),
        *MODELS,
        Column("predicted_at", "TIMESTAMP", "When it was predicted"),
    ),
    {"dim_matches": "size(embedding) = dim", "there_are_neighbours": "size(neighbours) > 0"},
)

EVALUATIONS = Table(
    "evaluations",
    "Mean cosine similarity of E_pred to the true prompts' sentence embeddings.",
    ("run_id", "variant"),
    (
        Column(
            "variant",
            "STRING",
            "`configured`, a row of the paper's table 2 (`Clip ...`), of a grid, or an option",
        ),
        Column("mean_cosine", "DOUBLE", "Mean over all pairs of image and true prompt"),
        Column("interval_low", "DOUBLE", "Lower end of the bootstrap 95 % interval"),
        Column("interval_high", "DOUBLE", "Upper end of the bootstrap 95 % interval"),
        Column("images", "BIGINT", "Images evaluated"),
        Column("truths", "BIGINT", "True prompts compared"),
        Column("prompts_left_out", "BIGINT", "Prompts too close to a truth to be neighbours"),
        Column("k", "INT", "Neighbours averaged in E_pred1"),
        Column("w1", "DOUBLE", "Weight of E_pred1"),
        Column("w2", "DOUBLE", "Weight of E_pred2"),
        *MODELS,
        Column("index_version", "STRING", "Index that was searched"),
        Column("evaluated_at", "TIMESTAMP", "When it was computed"),
    ),
    {"cosine_is_in_range": "mean_cosine BETWEEN -1.001 AND 1.001"},
)

EVALUATED_IMAGES = Table(
    "evaluated_images",
    "How near the configured prediction of an image comes to its true prompts.",
    ("run_id", "image_id"),
    (
        Column("image_id", "STRING", "The image"),
        Column("settings_hash", "STRING", "The prediction settings and models evaluated"),
        Column("cosine", "DOUBLE", "Mean cosine of E_pred to the image's true prompts"),
        Column("truths", "INT", "True prompts compared"),
        Column("index_version", "STRING", "Index that was searched"),
        Column("evaluated_at", "TIMESTAMP", "When it was computed"),
    ),
    {"cosine_is_in_range": "cosine BETWEEN -1.001 AND 1.001"},
)

CALIBRATIONS = Table(
    "calibrations",
    "How a prediction's signals become its confidence; the latest of some settings counts.",
    ("run_id", "settings_hash"),
    (
        Column("settings_hash", "STRING", "The prediction settings and models it was fitted for"),
        Column("intercept", "DOUBLE", "Constant of the linear fit"),
        Column("similarity", "DOUBLE", "Weight of mean_similarity"),
        Column("agreement", "DOUBLE", "Weight of agreement"),
        Column("mean_absolute_error", "DOUBLE", "Of the expected cosine, images held out"),
        Column("correlation", "DOUBLE", "Of expected and true cosine, images held out"),
        Column("images", "BIGINT", "Images it was fitted on"),
        Column("index_version", "STRING", "Index that was searched"),
        Column("calibrated_at", "TIMESTAMP", "When it was fitted"),
    ),
)
