"""The jobs as clients of a Spark Connect server, as on serverless compute."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promptknn.evaluation.evaluate import Evaluate
from promptknn.settings import Settings
from promptknn.table import Table
from promptknn.tables import (
    EVALUATED_IMAGES,
    INDEX_VERSIONS,
    KEPT_PROMPTS,
    NEAR_DUPLICATES,
    PREDICTIONS,
    PROMPTS,
    RAW_PROMPTS,
    REJECTED_PROMPTS,
)
from tests.cluster.servers import free_port, wait_until_listening
from tests.conftest import Run
from tests.small import PHOTOGRAPHS, changed, small_tree
from tests.submission import FAST_START, ROOT, SPARK_SUBMIT, write_config
from tests.vectors import assert_same_predictions

SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"
SECONDS = 600
TEXTS = (RAW_PROMPTS, PROMPTS, REJECTED_PROMPTS, KEPT_PROMPTS, NEAR_DUPLICATES)


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of the venv's own Spark, and its address."""
    home, port = tmp_path_factory.mktemp("connect"), free_port()
    log = home / "server.log"
    command = [
        SPARK_SUBMIT, "--master", "local[2]", "--class", SERVER,
        "--conf", f"spark.connect.grpc.binding.port={port}",
        "--conf", "spark.connect.grpc.binding.address=127.0.0.1",
        "--conf", "spark.driver.host=127.0.0.1", "--conf", "spark.ui.enabled=false",
        "--conf", "spark.sql.shuffle.partitions=4",
        "--conf", "spark.databricks.delta.snapshotPartitions=2",
        "--conf", f"spark.sql.warehouse.dir={home / 'warehouse'}",
        "spark-internal",
    ]  # fmt: skip
    with log.open("wb") as said:
        process = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, **FAST_START},
            stdout=said,
            stderr=said,
            cwd=home,
        )
    try:
        wait_until_listening(port, process, log)
        yield f"sc://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def connected(job: str, config: Path, remote: str) -> str:
    """Run a job as a client, without spark-submit, and give what it said."""
    command = [sys.executable, str(ROOT / "jobs" / f"{job}.py"), "--config", str(config)]
    environment = {**os.environ, "SPARK_REMOTE": remote}
    done = subprocess.run(
        command, env=environment, cwd=config.parent, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr


def content(lake: str, table: Table) -> pd.DataFrame:
    """Read a table without the columns that differ from run to run, rows in order of its key."""
    frame = DeltaTable(f"{lake}/{table.name}").to_pandas()
    changing = [name for name in frame if name.endswith("_at") or name == "run_id"]
    found: pd.DataFrame = frame.drop(columns=changing).astype(str).sort_values(list(table.key))
    return found.reset_index(drop=True)


def test_connect_gives_the_tables_of_classic_spark(
    spark: SparkSession, run: Run, built_copy: Settings, remote: str, tmp_path: Path
) -> None:
    truths = tmp_path / "truths.csv"
    rows = [f"{Path(name).stem},a photograph of a {Path(name).stem}" for name in PHOTOGRAPHS]
    truths.write_text("\n".join(["image,prompt", *rows]))
    evaluation = {"truths": {"kind": "csv", "path": str(truths)}, "bootstrap_samples": 20}
    home = tmp_path / "connected"
    home.mkdir()
    config = write_config(home / "small.yaml", {**small_tree(home), "evaluation": evaluation})
    said = connected("build_index", config, remote)
    assert "recall@100 1.000" in said
    assert "3 images predicted" in connected("predict_prompts", config, remote)
    connected("evaluate", config, remote)
    run(changed(built_copy, evaluation=evaluation), Evaluate())

    ours, classic = str(home / "lake"), built_copy.lake
    for table in TEXTS:
        pd.testing.assert_frame_equal(content(ours, table), content(classic, table))

    def read(lake: str, table: Table) -> DataFrame:
        return spark.read.format("delta").load(f"{lake}/{table.name}")

    assert_same_predictions(read(ours, PREDICTIONS), read(classic, PREDICTIONS))
    (version,) = read(ours, INDEX_VERSIONS).where("active").collect()
    (other,) = read(classic, INDEX_VERSIONS).where("active").collect()
    assert (version.identity, version.prompts) == (other.identity, other.prompts)
    cosines = [
        read(lake, EVALUATED_IMAGES).agg(F.avg("cosine"), F.count("*")).collect()[0]
        for lake in (ours, classic)
    ]
    assert cosines[0][0] == pytest.approx(cosines[1][0], abs=1e-5)
    assert cosines[0][1] == cosines[1][1] == len(PHOTOGRAPHS)
