"""Rows that two tables are written from, computed once."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import uuid4

from pyspark import StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.lake import Lake
from promptknn.locations import is_path
from promptknn.table import quoted_name

SCRATCH = "promptknn_scratch_"


def checkpointed(frame: DataFrame) -> DataFrame:
    """Compute a frame's rows now, and forget how: what is made of them has a short plan.

    Serverless compute refuses: there the rows are computed again for each use.
    """
    try:
        return frame.localCheckpoint()
    except PySparkException:
        return frame


@contextmanager
def materialised(frame: DataFrame, lake: Lake) -> Iterator[DataFrame]:
    """Keep a frame's rows while it is used; spilled to disk when they outgrow memory.

    Serverless compute refuses to persist: there a table beside those of the lake keeps them.
    """
    try:
        kept = frame.persist(StorageLevel.MEMORY_AND_DISK)
    except PySparkException:
        with _in_a_table(frame, lake) as kept:
            yield kept
        return
    try:
        yield kept
    finally:
        kept.unpersist()


def drop_leftovers(lake: Lake, before: datetime) -> int:
    """Drop the tables that killed runs left in the lake's schema; give their number.

    Args:
        lake: a folder has none.
        before: a table written later may be of a run that goes on.
    """
    if is_path(lake.location):
        return 0
    schema, dropped = quoted_name(lake.location), 0
    for row in lake.spark.sql(f"SHOW TABLES IN {schema} LIKE '{SCRATCH}*'").collect():
        name = f"{schema}.{quoted_name(row.tableName)}"
        history = lake.spark.sql(f"DESCRIBE HISTORY {name} LIMIT 1")
        (written,) = history.select(F.unix_seconds("timestamp").alias("seconds")).collect()
        if written.seconds < before.timestamp():
            lake.spark.sql(f"DROP TABLE IF EXISTS {name}")
            dropped += 1
    return dropped


@contextmanager
def _in_a_table(frame: DataFrame, lake: Lake) -> Iterator[DataFrame]:
    if is_path(lake.location):
        # A table without a name cannot be dropped: the rows are computed again for each use.
        yield frame
        return
    name = quoted_name(f"{lake.location}.{SCRATCH}{uuid4().hex}")
    try:
        frame.write.format("delta").saveAsTable(name)
        yield lake.spark.table(name)
    finally:
        lake.spark.sql(f"DROP TABLE IF EXISTS {name}")
