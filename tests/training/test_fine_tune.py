from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from deltalake import DeltaTable
from PIL import Image
from pyspark.sql import SparkSession

from promptknn.encoders.models import Models
from promptknn.errors import MissingInputError, SettingsError
from promptknn.settings import Settings
from promptknn.stage import Counts
from promptknn.training import fine_tune
from promptknn.training.curves import PICTURE
from promptknn.training.fine_tune import FineTuneClip, told_model, training_output
from promptknn.training.loop import MODEL, TrainingJob, TrainingResult
from tests.checkpoints import tiny_clip
from tests.pictures import all_scenes
from tests.small import changed
from tests.training.small import write_pictures

Run = Callable[..., list[Counts]]
PICTURES = 24


@pytest.fixture
def settings(spark: SparkSession, tmp_path: Path) -> Settings:
    """Twenty-four pictures, one of them unreadable, in a table of images and texts."""
    uris, prompts = write_pictures(tmp_path / "pictures", PICTURES)
    uris[0] = str(tmp_path / "pictures" / "none.png")
    table = str(tmp_path / "pairs")
    pairs = pd.DataFrame({"image_uri": uris, "text": prompts})
    spark.createDataFrame(pairs).write.format("delta").save(table)
    return Settings.model_validate({
        "lake": str(tmp_path / "lake"),
        "clip": {"model": tiny_clip(tmp_path / "base", seed=0)},
        "splits": {"train": 4, "validation": 1, "test": 1},
        "training": {
            "table": table, "objective": "both", "batch_size": 8, "epochs": 2,
            "learning_rate": 1e-3,
        },
    })  # fmt: skip


def table(settings: Settings, name: str) -> pd.DataFrame:
    return DeltaTable(f"{settings.lake}/{name}").to_pandas()


def test_training_that_failed_leaves_its_curve_and_run_again_a_model_that_serves(
    run: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(context: object, job: TrainingJob, pairs: int) -> TrainingResult:
        (job.work / "losses.jsonl").write_text(
            '{"step": 1, "epoch": 1, "split": "train", "loss": 2.5, "pairs": 8}\n'
        )
        raise RuntimeError("the machine was taken away")

    with monkeypatch.context() as patch:
        patch.setattr(fine_tune, "launch", dying)
        with pytest.raises(RuntimeError, match="taken away"):
            run(settings, FineTuneClip())
    assert table(settings, "training_losses").loss.tolist() == [2.5]
    assert len(table(settings, "training_runs")) == 0

    first = run(settings, FineTuneClip())[0]
    again = run(settings, FineTuneClip())[0]

    output = training_output(settings)
    runs, losses = table(settings, "training_runs"), table(settings, "training_losses")
    steps = 2 * -(-first.rows_in // 8)
    assert (first.rows_rejected, again.rows_in) == (1, 0)
    assert again.message == f"nothing new, model local-dir:{output / MODEL}"
    assert runs[["steps", "train_pairs", "objective"]].values.tolist() == [
        [steps, first.rows_in, "both"]
    ]
    assert runs.refused[0] == [("unreadable", 1)]
    assert runs.train_pairs[0] + runs.validation_pairs[0] < PICTURES
    assert sorted(losses[losses.split == "train"].step) == list(range(1, steps + 1))
    assert losses[losses.split == "validation"].pairs.tolist() == [runs.validation_pairs[0]] * 2
    # The work in progress is gone, the model and the picture of its curves are there.
    assert [path.name for path in output.iterdir()] == [MODEL]
    with Image.open(output / MODEL / PICTURE) as picture:
        assert picture.width > 400

    tuned = Models.of(changed(settings, clip__model=f"local-dir:{output / MODEL}"))
    pictures = [scene.picture(np.random.default_rng(0)) for scene in all_scenes()[:2]]
    before = Models.of(settings).clip_encoder().encode_images(pictures)
    assert tuned.clip_identity == runs.model[0]
    assert not np.allclose(tuned.clip_encoder().encode_images(pictures), before, atol=1e-3)


def test_package_default_cannot_be_fine_tuned(settings: Settings) -> None:
    with pytest.raises(SettingsError, match=r"set `clip\.model` to an open_clip model"):
        FineTuneClip().check(changed(settings, clip__model="package-default"))


@pytest.mark.parametrize(
    ("objective", "retrieves"), [("contrastive", True), ("both", True), ("sentence", False)]
)
def test_a_model_that_is_not_for_retrieval_is_said_to_be_so(
    objective: str, retrieves: bool
) -> None:
    settings = Settings.model_validate({"training": {"objective": objective}})
    said = told_model(settings, Path("/tuned"))
    assert said.startswith("model local-dir:/tuned/model")
    assert ("not for retrieval" in said, "set contrastive or both" in said) == (
        not retrieves, not retrieves,
    )  # fmt: skip


def test_schema_needs_a_folder_for_the_model(settings: Settings) -> None:
    with pytest.raises(MissingInputError, match=r"training\.output"):
        FineTuneClip().check(changed(settings, lake="catalog.schema"))


def test_lake_without_pictures_names_the_job_that_makes_them(
    run: Run, settings: Settings, spark: SparkSession, tmp_path: Path
) -> None:
    empty = str(tmp_path / "empty")
    spark.createDataFrame([], "image_uri string, text string").write.format("delta").save(empty)

    with pytest.raises(MissingInputError, match=r"jobs/generate_images\.py"):
        run(changed(settings, training__table=empty), FineTuneClip())
