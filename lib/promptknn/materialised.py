"""Rows that two tables are written from, computed once."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark import StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame


def checkpointed(frame: DataFrame) -> DataFrame:
    """Compute a frame's rows now, and forget how: what is made of them has a short plan.

    Serverless compute refuses: there the rows are computed again for each use.
    """
    try:
        return frame.localCheckpoint()
    except PySparkException:
        return frame


@contextmanager
def materialised(frame: DataFrame) -> Iterator[DataFrame]:
    """Keep a frame's rows while it is used; spilled to disk when they outgrow memory.

    Serverless compute refuses to persist: there the rows are computed again for each use.
    """
    try:
        kept = frame.persist(StorageLevel.MEMORY_AND_DISK)
    except PySparkException:
        yield frame
        return
    try:
        yield kept
    finally:
        kept.unpersist()
