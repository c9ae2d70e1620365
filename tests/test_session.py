import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from promptknn.errors import EnvironmentMissingError
from promptknn.session import check_remote, open_session
from promptknn.settings import SparkSettings


def test_active_session_is_taken(spark: SparkSession) -> None:
    assert open_session(SparkSettings(master="local[7]")) is spark
    assert spark.sparkContext.master == "local[1]"


def test_own_session_has_delta_and_utc(spark: SparkSession) -> None:
    assert "DeltaSparkSessionExtension" in spark.conf.get("spark.sql.extensions", "")
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert spark.conf.get("spark.databricks.delta.snapshotPartitions") == "1"


def test_settings_reach_spark(spark: SparkSession) -> None:
    # conftest opens the session with a value of its own for this key.
    assert spark.conf.get("spark.sql.shuffle.partitions") == "2"
    assert spark.sparkContext.appName == "promptknn-tests"


def test_missing_java_is_said_in_one_sentence(tmp_path: Path) -> None:
    code = (
        "from promptknn.session import open_session\n"
        "from promptknn.settings import SparkSettings\n"
        "open_session(SparkSettings())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"JAVA_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "EnvironmentMissingError: Spark did not start: Java 17 or newer" in last


def test_workers_run_the_python_of_the_driver(spark: SparkSession) -> None:
    def executable(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in batches:
            yield pa.RecordBatch.from_pydict({"python": [sys.executable]})

    found = spark.range(1).mapInArrow(executable, "python string").collect()
    assert {row.python for row in found} == {sys.executable}


def test_connect_server_that_does_not_answer_is_named_with_the_cure() -> None:
    with pytest.raises(EnvironmentMissingError, match=r"at 127\.0\.0\.1:1 .*correct SPARK_REMOTE"):
        check_remote("sc://127.0.0.1:1/;token=secret")
