"""Rows of tables, with values that do not matter where none are given."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.deduplication.exact import prompt_id
from promptknn.lake import Lake
from promptknn.table import Table
from promptknn.tables import PROMPTS, RAW_PROMPTS, REJECTED_PROMPTS

_VALUES = {
    "STRING": "x", "BIGINT": 1, "INT": 1, "FLOAT": 0.5, "DOUBLE": 0.5, "BOOLEAN": True,
    "TIMESTAMP": datetime(2026, 1, 1, tzinfo=UTC), "ARRAY<FLOAT>": [1.0],
    "MAP<STRING, STRING>": {},
}  # fmt: skip


def add_rows(lake: Lake, table: Table, rows: Iterable[Mapping[str, object]]) -> None:
    """Append rows, in one commit, to a table that is made where it is missing."""
    lake.create([table])
    values = [
        tuple(row.get(column.name, _VALUES.get(column.type)) for column in table.columns)
        for row in rows
    ]
    schema = table.schema(*(column.name for column in table.columns))
    lake.append(table, lake.spark.createDataFrame(values, schema))


def add_raw(lake: Lake, source: str, texts: Sequence[str | None]) -> None:
    """Add texts of a source to raw_prompts, numbered."""
    table = pa.table({"source_row_id": ids_of(texts), "text": pa.array(texts, pa.string())})
    assert add_raw_rows(lake, source, lake.spark.createDataFrame(table)) == len(texts)


def ids_of(texts: Sequence[str | None]) -> list[str]:
    return [f"{number:04d}" for number in range(len(texts))]


def add_raw_rows(lake: Lake, source: str, rows: DataFrame) -> int:
    """Add source_row_id and text to raw_prompts; the other tables of cleaning are made too."""
    lake.create([RAW_PROMPTS, PROMPTS, REJECTED_PROMPTS])
    raw = rows.select(
        F.lit(source).alias("source"),
        "source_row_id",
        "text",
        F.lit(None).cast("string").alias("image_uri"),
        F.expr("CAST(map() AS map<string, string>)").alias("metadata"),
        F.current_timestamp().alias("ingested_at"),
    )
    return lake.insert(RAW_PROMPTS, raw)


def add_prompts(lake: Lake, texts: Sequence[str]) -> None:
    """Add clean prompts."""
    lake.create([PROMPTS])
    table = pa.table({"prompt_id": [prompt_id(text) for text in texts], "text": list(texts)})
    prompts = lake.spark.createDataFrame(table).select(
        "prompt_id",
        "text",
        F.col("text").alias("original_text"),
        F.lit("en").alias("language"),
        F.lit(1.0).cast("float").alias("language_score"),
        F.lit("demo").alias("source"),
        F.col("prompt_id").alias("source_row_id"),
        F.current_timestamp().alias("cleaned_at"),
    )
    assert lake.insert(PROMPTS, prompts) == len(texts)
