import shutil
from collections.abc import Iterator
from pathlib import Path

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
from tests.cluster.standalone import standalone
from tests.small import CACHE, small_tree
from tests.submission import submit_well, write_config
from tests.vectors import assert_same_predictions

WHOLE = Path(__file__).with_name("whole.py")


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A standalone master and two workers of one core on this machine."""
    with standalone(tmp_path_factory.mktemp("cluster")) as url:
        yield url


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
