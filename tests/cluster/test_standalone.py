import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyspark
import pytest
from pyspark.sql import DataFrame, SparkSession

from promptknn.settings import Settings
from promptknn.tables import (
    IMAGE_EMBEDDINGS,
    INDEX_SHARDS,
    INDEX_VERSIONS,
    PREDICTIONS,
    PROMPT_EMBEDDINGS,
)
from tests.cluster.servers import free_port, wait_for
from tests.small import CACHE, small_tree
from tests.submission import FAST_START, submit_well, write_config
from tests.vectors import assert_same_predictions

SPARK_CLASS = Path(pyspark.__file__).parent / "bin" / "spark-class"
WHOLE = Path(__file__).with_name("whole.py")
WORKERS = 2


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A standalone master and two workers of one core on this machine."""
    home, port = tmp_path_factory.mktemp("cluster"), free_port()
    url, log = f"spark://127.0.0.1:{port}", home / "master.log"
    (home / "log4j2.properties").write_text(
        "rootLogger.level = info\n"
        "rootLogger.appenderRef.stderr.ref = stderr\n"
        "appender.stderr.type = Console\n"
        "appender.stderr.name = stderr\n"
        "appender.stderr.target = SYSTEM_ERR\n"
        "appender.stderr.layout.type = PatternLayout\n"
        "appender.stderr.layout.pattern = %m%n\n"
    )
    environment = {
        **os.environ,
        **FAST_START,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_JAVA_OPTS": f"-Dlog4j2.configurationFile={home}/log4j2.properties",
        "SPARK_DAEMON_MEMORY": "512m",
        "PYSPARK_PYTHON": sys.executable,
    }
    processes: list[subprocess.Popen[bytes]] = []

    def start(name: str, *arguments: str) -> None:
        with (home / f"{name}.log").open("wb") as said:
            command = [str(SPARK_CLASS), f"org.apache.spark.deploy.{arguments[0]}", *arguments[1:]]
            processes.append(
                subprocess.Popen(command, env=environment, stdout=said, stderr=said, cwd=home)
            )

    try:
        port_options = ("--host", "127.0.0.1", "--webui-port", str(free_port()))
        start("master", "master.Master", *port_options, "--port", str(port))
        wait_for(log, "I have been elected leader", 1, processes)
        for number in range(WORKERS):
            start(
                f"worker-{number}", "worker.Worker", "--host", "127.0.0.1",
                "--webui-port", str(free_port()), "--cores", "1", "--memory", "2g",
                "--work-dir", str(home / f"work-{number}"), url,
            )  # fmt: skip
        wait_for(log, "Registering worker", WORKERS, processes)
        yield url
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def test_cluster_predicts_what_one_machine_predicts(
    spark: SparkSession, built: Settings, master: str, tmp_path: Path
) -> None:
    # What Spark's own expressions made is kept; what Python workers make is made on the cluster.
    shutil.copytree(built.lake, tmp_path / "lake")
    for table in (PROMPT_EMBEDDINGS, INDEX_VERSIONS, INDEX_SHARDS, IMAGE_EMBEDDINGS, PREDICTIONS):
        shutil.rmtree(tmp_path / "lake" / table.name)
    shutil.rmtree(tmp_path / "lake" / "index")
    tree = small_tree(tmp_path)
    tree["spark"] = {
        "master": master,
        "conf": {
            "spark.driver.host": "127.0.0.1",
            "spark.sql.codegen.wholeStage": "false",
            "spark.executor.memory": "1g",
            "spark.sql.shuffle.partitions": "4",
            "spark.databricks.delta.snapshotPartitions": "2",
        },
    }
    # More shards than workers, sent as broadcasts: each executor opens all of them.
    tree["index"] = {"shards": 3, "distribution": "broadcast", "cache": str(CACHE)}
    config = write_config(tmp_path / "cluster.yaml", tree)
    assert "recall@100 1.000" in submit_well(WHOLE, config, tmp_path)

    def read(lake: str, name: str) -> DataFrame:
        return spark.read.format("delta").load(f"{lake}/{name}")

    assert read(str(tree["lake"]), INDEX_SHARDS.name).count() == 3
    assert_same_predictions(
        read(str(tree["lake"]), PREDICTIONS.name), read(built.lake, PREDICTIONS.name)
    )
