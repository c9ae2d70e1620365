"""Runs stages: creates tables, shows progress, times, and records every run in job_runs."""

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from uuid import uuid4

import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promptknn.lake import Lake
from promptknn.masking import masked
from promptknn.progress import Display
from promptknn.settings import Settings
from promptknn.stage import Context, Counts, Stage
from promptknn.tables import JOB_RUNS

_LONGEST_ERROR = 2000


def run_stages(
    spark: SparkSession, settings: Settings, stages: Sequence[Stage], display: Display
) -> list[Counts]:
    """Run stages one after the other; the first failure is recorded and raised.

    Returns:
        What each stage did.
    """
    lake = Lake(spark, settings.lake, run_id=uuid4().hex)
    lake.create({table.name: table for s in stages for table in (*s.outputs, JOB_RUNS)}.values())
    return [_run_one(lake, settings, stage, display) for stage in stages]


def _run_one(lake: Lake, settings: Settings, stage: Stage, display: Display) -> Counts:
    started, clock = datetime.now(UTC), time.monotonic()
    inputs = _versions(lake, stage)
    counts = Counts()
    try:
        with display.stage(stage.name, lake.spark) as progress:
            counts = stage.run(Context(lake.spark, lake, settings, progress))
    except BaseException as error:
        # What stopped the stage is said, not that a full disk or a dead Spark cannot record it.
        with suppress(Exception):
            seconds = time.monotonic() - clock
            _record(lake, settings, stage, started, seconds, inputs, counts, error)
        raise
    seconds = time.monotonic() - clock
    _record(lake, settings, stage, started, seconds, inputs, counts, None)
    display.done(stage.name, counts, seconds)
    return counts


def _versions(lake: Lake, stage: Stage) -> dict[str, int]:
    """Give the versions of the inputs that are there."""
    found = {}
    for table in stage.inputs:
        with suppress(PySparkException):
            found[table.name] = lake.version(table)
    return found


def _record(
    lake: Lake,
    settings: Settings,
    stage: Stage,
    started: datetime,
    seconds: float,
    inputs: dict[str, int],
    counts: Counts,
    failure: BaseException | None,
) -> None:
    status = "failed" if failure else "succeeded" if counts.rows_in else "unchanged"
    row = pa.table({
        "stage": [stage.name],
        "status": [status],
        "rows_in": pa.array([counts.rows_in], pa.int64()),
        "rows_out": pa.array([counts.rows_out], pa.int64()),
        "rows_rejected": pa.array([counts.rows_rejected], pa.int64()),
        "seconds": pa.array([seconds], pa.float64()),
        "rows_per_second": pa.array([counts.rows_in / max(seconds, 1e-9)], pa.float64()),
        "settings": [masked(settings.model_dump_json())],
        "input_versions": pa.array([list(inputs.items())], pa.map_(pa.string(), pa.int64())),
        "message": pa.array([counts.message or None], pa.string()),
        "error": pa.array([_text_of(failure)], pa.string()),
    })  # fmt: skip
    started_at = F.lit(started.replace(tzinfo=None)).cast("timestamp")
    lake.append(JOB_RUNS, lake.spark.createDataFrame(row).withColumn("started_at", started_at))


def _text_of(failure: BaseException | None) -> str | None:
    return f"{type(failure).__name__}: {failure}"[:_LONGEST_ERROR] if failure else None
