from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from promptknn.errors import ModelLoadError
from promptknn.lake import Lake
from promptknn.settings import Settings
from promptknn.stage import Context
from promptknn.training import launch
from promptknn.training.loop import TrainingJob, TrainingResult
from tests.training.small import small_job


class OneProcess:
    """Stands for TorchDistributor: what the training's process gives comes back from there."""

    def __init__(self, **options: object) -> None:
        self.options = options

    def run(self, train: object, job: TrainingJob) -> TrainingResult:
        return TrainingResult(0, (), ModelLoadError("clip.model: the weights are cut."))


def test_failure_inside_the_training_keeps_its_type(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.model_validate({"lake": str(tmp_path / "lake")})
    lake = Lake(spark, settings.lake, "look")
    monkeypatch.setattr(launch, "TorchDistributor", OneProcess)
    with pytest.raises(ModelLoadError, match=r"the weights are cut"):
        launch.launch(
            Context(spark, lake, settings, lambda done, total: None), small_job(tmp_path), pairs=16
        )
