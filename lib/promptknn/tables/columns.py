"""Columns that several tables share."""

from promptknn.table import Column

VECTOR = "ARRAY<FLOAT>"

SOURCE = (
    Column("source", "STRING", "Name of the source in the settings"),
    Column("source_row_id", "STRING", "Id of the row within its source"),
)

MODELS = (
    Column("clip_model", "STRING", "Model that puts images and prompts into one space"),
    Column("sentence_model", "STRING", "Sentence Transformer whose space E_pred lies in"),
)
