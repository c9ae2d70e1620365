import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from promptknn.settings import Settings
from promptknn.settings_file import load_settings
from promptknn.tables import IMAGE_EMBEDDINGS, PREDICTIONS
from tests.cluster.standalone import CONF, standalone
from tests.small import small_tree
from tests.submission import ROOT, submit, submit_well, write_config
from tests.vectors import assert_same_predictions

# What each worker reports; none of these is on this machine.
GPUS = (("0", "1"), ("2", "3"))
CORES = 2


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A standalone master and two workers, each of two cores and two made-up GPUs."""
    with standalone(tmp_path_factory.mktemp("cluster"), CORES, GPUS) as url:
        yield url


def test_cluster_predicts_what_one_machine_predicts(
    spark: SparkSession, built: Settings, master: str, tmp_path: Path
) -> None:
    shutil.copytree(built.lake, tmp_path / "lake")
    for table in (IMAGE_EMBEDDINGS, PREDICTIONS):
        shutil.rmtree(tmp_path / "lake" / table.name)
    tree = small_tree(tmp_path)
    # A core of each worker: the machine has no more.
    tree["spark"] = {"master": master, "conf": {**CONF, "spark.cores.max": "2"}}
    # Sent through Spark: executors find it in no cache.
    tree["index"] = {"distribution": "broadcast", "cache": str(tmp_path / "cache")}
    config = write_config(tmp_path / "cluster.yaml", tree)
    assert "3 images predicted" in submit_well("predict_prompts", config, tmp_path)

    def predictions(lake: str) -> DataFrame:
        return spark.read.format("delta").load(f"{lake}/{PREDICTIONS.name}")

    assert_same_predictions(predictions(str(tree["lake"])), predictions(built.lake))


def test_each_task_runs_on_a_gpu_that_its_own_worker_reports(master: str, tmp_path: Path) -> None:
    given = load_settings(ROOT / "conf" / "gpu.yaml").spark.conf
    # As many cores as tasks, as there, but for workers of fewer cores.
    fewer = {
        "spark.executor.cores": str(CORES),
        "spark.task.resource.gpu.amount": str(1 / CORES),
    }
    assert given.keys() >= fewer.keys()
    tree: dict[str, object] = {
        "lake": str(tmp_path / "lake"),
        "spark": {"master": master, "conf": {**CONF, **given, **fewer}},
    }
    config = write_config(tmp_path / "gpu.yaml", tree)
    done = submit(ROOT / "tests" / "cluster" / "gpus.py", config, tmp_path)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    tasks = json.loads(done.stdout.splitlines()[-1])

    devices: dict[str, list[str]] = {f"work-{number}": [] for number in range(len(GPUS))}
    for task in tasks:
        worker = Path(task["executor"]).parents[1].name
        (address,) = task["addresses"]
        assert address in GPUS[int(worker.removeprefix("work-"))]
        assert task["device"] == f"cuda:{address}"
        devices[worker].append(task["device"])
    # All ran at once, so that two share their executor's only GPU.
    for shared in devices.values():
        assert len(shared) == CORES
        assert len(set(shared)) == 1
