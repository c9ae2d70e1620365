import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from promptknn.settings import Settings
from promptknn.tables import IMAGE_EMBEDDINGS, PREDICTIONS
from tests.cluster.standalone import CONF, standalone
from tests.small import small_tree
from tests.submission import submit_well, write_config
from tests.vectors import assert_same_predictions


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A standalone master and two workers of one core on this machine."""
    with standalone(tmp_path_factory.mktemp("cluster")) as url:
        yield url


def test_cluster_predicts_what_one_machine_predicts(
    spark: SparkSession, built: Settings, master: str, tmp_path: Path
) -> None:
    shutil.copytree(built.lake, tmp_path / "lake")
    for table in (IMAGE_EMBEDDINGS, PREDICTIONS):
        shutil.rmtree(tmp_path / "lake" / table.name)
    tree = small_tree(tmp_path)
    tree["spark"] = {"master": master, "conf": CONF}
    # Sent through Spark: executors find it in no cache.
    tree["index"] = {"distribution": "broadcast", "cache": str(tmp_path / "cache")}
    config = write_config(tmp_path / "cluster.yaml", tree)
    assert "3 images predicted" in submit_well("predict_prompts", config, tmp_path)

    def predictions(lake: str) -> DataFrame:
        return spark.read.format("delta").load(f"{lake}/{PREDICTIONS.name}")

    assert_same_predictions(predictions(str(tree["lake"])), predictions(built.lake))
