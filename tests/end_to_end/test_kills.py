"""Killed in the middle, run again: the full set of kills is tests/benchmarks/faults.py."""

import os
import shutil
import threading
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from promptknn.settings import Settings
from promptknn.tables import IMAGE_EMBEDDINGS, PREDICTIONS
from tests.processes import kill, kill_tree, python_workers, wait_until
from tests.small import small_tree
from tests.submission import run_here, run_well_here, started, write_config
from tests.vectors import assert_same_predictions


@pytest.fixture
def config(built: Settings, tmp_path: Path) -> Path:
    """Settings of a copy of the small run's lake in which no image is embedded yet."""
    shutil.copytree(built.lake, tmp_path / "lake")
    for table in (IMAGE_EMBEDDINGS, PREDICTIONS):
        shutil.rmtree(tmp_path / "lake" / table.name)
    return write_config(tmp_path / "mine.yaml", small_tree(tmp_path))


def test_a_job_whose_driver_and_then_whose_worker_is_killed_ends_in_the_same_predictions(
    spark: SparkSession, built: Settings, config: Path
) -> None:
    with started("predict_prompts", config) as job:
        assert wait_until(lambda: bool(python_workers(job.pid)))
        kill_tree(job.pid)

    left: list[tuple[int, str]] = []
    run = threading.Thread(target=lambda: left.append(run_here("predict_prompts", config)))
    run.start()

    while run.is_alive():
        kill(python_workers(os.getpid()))
        run.join(0.2)
    ((code, said),) = left
    assert code == 1
    assert [line for line in said.splitlines() if line.startswith("promptknn:")]

    run_well_here("predict_prompts", config)
    found = spark.read.format("delta").load(f"{config.parent}/lake/{PREDICTIONS.name}")
    expected = spark.read.format("delta").load(f"{built.lake}/{PREDICTIONS.name}")
    assert_same_predictions(found, expected)
    assert found.count() == expected.count()
