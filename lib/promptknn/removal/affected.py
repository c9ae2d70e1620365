"""The rows that hold removed prompts, table by table."""

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.images.picture_files import PROMPT_OF_PICTURE
from promptknn.lake import Lake
from promptknn.table import Table
from promptknn.tables import (
    IMAGE_EMBEDDINGS,
    KEPT_PROMPTS,
    NEAR_DUPLICATES,
    PREDICTIONS,
    PROMPT_EMBEDDINGS,
    PROMPT_IMAGES,
    PROMPTS,
    RAW_PROMPTS,
    REJECTED_IMAGES,
    REJECTED_PROMPT_IMAGES,
    REJECTED_PROMPTS,
)

# Where a row names prompts, as SQL.
_NAMED_BY = (
    (PREDICTIONS, ("explode(neighbours.prompt_id)", PROMPT_OF_PICTURE)),
    (IMAGE_EMBEDDINGS, (PROMPT_OF_PICTURE,)),
    (REJECTED_IMAGES, (PROMPT_OF_PICTURE,)),
    (PROMPT_IMAGES, ("prompt_id",)),
    (REJECTED_PROMPT_IMAGES, ("prompt_id",)),
    # A near duplicate of a removed prompt is compared again, with the prompts that are left.
    (NEAR_DUPLICATES, ("prompt_id", "kept_prompt_id")),
    (KEPT_PROMPTS, ("prompt_id",)),
    (PROMPT_EMBEDDINGS, ("prompt_id",)),
)
# The raw rows last: a removal that was killed finds by them what it has left of the others.
_BY_SOURCE_ROW = (REJECTED_PROMPTS, PROMPTS, RAW_PROMPTS)


def affected_rows(lake: Lake, ids: DataFrame, rows: DataFrame) -> list[tuple[Table, DataFrame]]:
    """Find what must go, in the order in which it goes.

    Args:
        lake: has the tables; those that are not there are left out.
        ids: a column prompt_id.
        rows: source and source_row_id of all source rows of these prompts.

    Returns:
        Tables, and the keys of their rows, each once.
    """
    found = []
    for table, names in _NAMED_BY:
        held = lake.read_if_there(table)
        if held is not None:
            parts = [held.select(*table.key, F.expr(name).alias("named")) for name in names]
            named = reduce(DataFrame.union, parts)
            keys = named.join(ids.toDF("named"), "named", "left_semi").select(*table.key)
            found.append((table, keys.distinct()))
    for table in _BY_SOURCE_ROW:
        held = lake.read_if_there(table)
        if held is not None:
            keys = held.join(rows, rows.columns, "left_semi").select(*table.key)
            found.append((table, keys))
    return found


def counts_of(affected: Sequence[tuple[Table, DataFrame]]) -> dict[str, int]:
    """Count what `affected_rows` gives, in one pass over the tables: rows by name, none of 0."""
    named = [keys.select(F.lit(table.name).alias("name")) for table, keys in affected]
    if not named:
        return {}
    counts = reduce(DataFrame.union, named).groupBy("name").agg(F.count("*").alias("rows"))
    return {row.name: row.rows for row in counts.collect()}
