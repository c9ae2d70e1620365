"""Exact duplicates: rows whose normalised texts have the same prompt_id."""

from pyspark.sql import Column, Window
from pyspark.sql import functions as F

from promptknn.deduplication.prompt_ids import prompt_id

__all__ = ["first_of_each", "prompt_id", "prompt_id_of"]


def prompt_id_of(text: Column) -> Column:
    """Name a column of normalised texts, as `prompt_id` does."""
    return F.substring(F.sha2(text, 256), 1, 32)


def first_of_each(*same: Column | str) -> Column:
    """Tell the row that is kept of those with the same values: the first by source and row id.

    The order does not depend on partitioning, so every run keeps the same row.
    """
    same_text = Window.partitionBy(*same).orderBy("source", "source_row_id")
    return F.row_number().over(same_text) == 1
