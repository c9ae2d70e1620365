"""What only distribution breaks: a standalone cluster, under classic Spark and Spark Connect."""

import os
import shutil
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
    IMAGE_EMBEDDINGS,
    INDEX_SHARDS,
    INDEX_VERSIONS,
    KEPT_PROMPTS,
    NEAR_DUPLICATES,
    PREDICTIONS,
    PROMPTS,
    RAW_PROMPTS,
    REJECTED_PROMPTS,
)
from tests.cluster.servers import free_port, wait_until_listening
from tests.cluster.standalone import standalone
from tests.conftest import Run
from tests.small import CACHE, INTERPRETED, PHOTOGRAPHS, changed, small_tree
from tests.submission import FAST_START, ROOT, SPARK_SUBMIT, submit_well, write_config
from tests.vectors import assert_same_predictions

CONNECT_SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"
SECONDS = 600
TEXTS = (RAW_PROMPTS, PROMPTS, REJECTED_PROMPTS, KEPT_PROMPTS, NEAR_DUPLICATES)
CONF = {
    "spark.driver.host": "127.0.0.1",
    **INTERPRETED,
    "spark.executor.memory": "1g",
    "spark.sql.shuffle.partitions": "4",
    "spark.databricks.delta.snapshotPartitions": "2",
}


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A standalone master and two workers of one core on this machine."""
    with standalone(tmp_path_factory.mktemp("cluster")) as url:
        yield url


@pytest.fixture(scope="module")
def remote(master: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Spark Connect server on the cluster, all of whose cores it takes, and its address."""
    home, port = tmp_path_factory.mktemp("connect"), free_port()
    log = home / "server.log"
    command = [
        SPARK_SUBMIT, "--master", master, "--class", CONNECT_SERVER,
        "--conf", f"spark.connect.grpc.binding.port={port}",
        "--conf", "spark.connect.grpc.binding.address=127.0.0.1",
        "--conf", "spark.ui.enabled=false",
        *(part for key, value in CONF.items() for part in ("--conf", f"{key}={value}")),
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


def read(spark: SparkSession, lake: str, table: Table) -> DataFrame:
    return spark.read.format("delta").load(f"{lake}/{table.name}")


def test_classic_spark_predicts_what_one_machine_predicts(
    spark: SparkSession, built: Settings, master: str, tmp_path: Path
) -> None:
    shutil.copytree(built.lake, tmp_path / "lake")
    for table in (IMAGE_EMBEDDINGS, PREDICTIONS):
        shutil.rmtree(tmp_path / "lake" / table.name)
    tree = small_tree(tmp_path)
    tree["spark"] = {"master": master, "conf": CONF}
    # Sent through Spark: each executor's worker finds it there.
    tree["index"] = {"distribution": "broadcast", "cache": str(tmp_path / "cache")}
    config = write_config(tmp_path / "cluster.yaml", tree)
    assert "3 images predicted" in submit_well("predict_prompts", config, tmp_path)
    found = read(spark, str(tree["lake"]), PREDICTIONS)
    assert_same_predictions(found, read(spark, built.lake, PREDICTIONS))


def test_spark_connect_gives_the_tables_of_classic_spark(
    spark: SparkSession, run: Run, built_copy: Settings, remote: str, tmp_path: Path
) -> None:
    truths = tmp_path / "truths.csv"
    rows = [f"{Path(name).stem},a photograph of a {Path(name).stem}" for name in PHOTOGRAPHS]
    truths.write_text("\n".join(["image,prompt", *rows]))
    evaluation = {"truths": {"kind": "csv", "path": str(truths)}, "bootstrap_samples": 20}
    home = tmp_path / "connected"
    home.mkdir()
    tree = {**small_tree(home), "evaluation": evaluation}
    # More shards than workers.
    tree["index"] = {"shards": 3, "cache": str(CACHE)}
    config = write_config(home / "small.yaml", tree)
    assert "recall@100 1.000" in connected("build_index", config, remote)
    assert "3 images predicted" in connected("predict_prompts", config, remote)
    connected("evaluate", config, remote)
    run(changed(built_copy, evaluation=evaluation), Evaluate())

    ours, classic = str(home / "lake"), built_copy.lake
    for table in TEXTS:
        pd.testing.assert_frame_equal(content(ours, table), content(classic, table))
    found = read(spark, ours, PREDICTIONS)
    assert_same_predictions(found, read(spark, classic, PREDICTIONS))
    assert read(spark, ours, INDEX_SHARDS).count() == 3
    digests = [
        read(spark, lake, INDEX_VERSIONS).where("active").select("prompts_digest").collect()
        for lake in (ours, classic)
    ]
    assert digests[0] == digests[1]
    cosines = [
        read(spark, lake, EVALUATED_IMAGES).agg(F.avg("cosine"), F.count("*")).collect()[0]
        for lake in (ours, classic)
    ]
    assert cosines[0][0] == pytest.approx(cosines[1][0], abs=1e-5)
    assert cosines[0][1] == cosines[1][1] == len(PHOTOGRAPHS)
