"""Rows that two tables are written from, computed once."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from pyspark import StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

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
