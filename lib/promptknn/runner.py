"""Runs stages: creates tables, shows progress, times, and records every run."""

import gc
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
from promptknn.stage import Context, Counts, Stage, StageRun
from promptknn.tables import JOB_RUNS
from promptknn.tracking.mlflow_runs import MlflowRuns

_LONGEST_ERROR = 2000


def run_stages(
    spark: SparkSession, settings: Settings, stages: Sequence[Stage], display: Display
) -> list[Counts]:
    """Run stages one after the other; the first failure is recorded and raised.

    Runs are recorded in job_runs, and in MLflow where `tracking` names it.

    Returns:
        What each stage did.
    """
    tracked = MlflowRuns.of(settings.tracking)
    lake = Lake(spark, settings.lake, run_id=uuid4().hex)
    lake.create({table.name: table for s in stages for table in (*s.outputs, JOB_RUNS)}.values())
    return [_run_one(lake, settings, stage, display, tracked) for stage in stages]


def _run_one(
    lake: Lake, settings: Settings, stage: Stage, display: Display, tracked: MlflowRuns | None
) -> Counts:
    started, clock = datetime.now(UTC), time.monotonic()
    inputs = _versions(lake, stage)
    counts = Counts()

    def keep(failure: BaseException | None) -> StageRun:
        run = StageRun(
            stage=stage.name,
            run_id=lake.run_id,
            settings=masked(settings.model_dump_json()),
            inputs=inputs,
            started=started,
            seconds=time.monotonic() - clock,
            counts=counts,
            error=_text_of(failure),
        )
        _record(lake, run)
        if tracked:
            tracked.log(run)
        return run

    try:
        with display.stage(stage.name, lake.spark) as progress:
            counts = stage.run(Context(lake.spark, lake, settings, progress))
    except BaseException as error:
        # What stopped the stage is said, not that a full disk or a dead Spark cannot record it.
        with suppress(Exception):
            keep(error)
        raise
    display.done(stage.name, counts, keep(None).seconds)
    # Java keeps a frame's plan until Python finds that nobody holds the frame: its own collector
    # may let hours pass, for it does not see that heap.
    gc.collect()
    return counts


def _versions(lake: Lake, stage: Stage) -> dict[str, int]:
    """Give the versions of the inputs that are there."""
    found = {}
    for table in stage.inputs:
        with suppress(PySparkException):
            found[table.name] = lake.version(table)
    return found


def _record(lake: Lake, run: StageRun) -> None:
    counts = run.counts
    row = pa.table({
        "stage": [run.stage],
        "status": [run.status],
        "rows_in": pa.array([counts.rows_in], pa.int64()),
        "rows_out": pa.array([counts.rows_out], pa.int64()),
        "rows_rejected": pa.array([counts.rows_rejected], pa.int64()),
        "seconds": pa.array([run.seconds], pa.float64()),
        "rows_per_second": pa.array([counts.rows_in / max(run.seconds, 1e-9)], pa.float64()),
        "settings": [run.settings],
        "input_versions": pa.array([list(run.inputs.items())], pa.map_(pa.string(), pa.int64())),
        "message": pa.array([counts.message or None], pa.string()),
        "error": pa.array([run.error], pa.string()),
    })  # fmt: skip
    started_at = F.lit(run.started.replace(tzinfo=None)).cast("timestamp")
    lake.append(JOB_RUNS, lake.spark.createDataFrame(row).withColumn("started_at", started_at))


def _text_of(failure: BaseException | None) -> str | None:
    return f"{type(failure).__name__}: {failure}"[:_LONGEST_ERROR] if failure else None
