"""Every kind of evaluation on the small run; its truths are written to fit its photographs."""

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promptknn import extras
from promptknn.encoders.models import Models
from promptknn.errors import EnvironmentMissingError, MissingInputError
from promptknn.evaluation import calibrate
from promptknn.evaluation.calibrate import CalibrateConfidence
from promptknn.evaluation.evaluate import (
    Evaluate,
    EvaluateGrid,
    EvaluateOptions,
    EvaluatePaperTable,
)
from promptknn.evaluation.scoring import score
from promptknn.evaluation.variants import with_configured
from promptknn.lake import Lake
from promptknn.prediction.combination import Combination
from promptknn.settings import Settings
from promptknn.stage import Context, Stage
from promptknn.tables import EVALUATED_IMAGES, EVALUATIONS, PREDICTIONS
from tests.conftest import Run
from tests.small import changed

TRUTHS = {"chelsea": "a tabby cat", "coffee": "a cup of espresso", "rocket": "a rocket on its pad"}


@pytest.fixture
def settings(built_copy: Settings, tmp_path: Path) -> Settings:
    """The small run with truths, and a pool that holds one of them word for word."""
    file = tmp_path / "truths.csv"
    rows = [f"{image},{truth}" for image, truth in TRUTHS.items()]
    file.write_text("\n".join(["image,prompt", *rows, "elsewhere,not one of our images"]))
    return changed(
        built_copy,
        evaluation__truths={"kind": "csv", "path": str(file)},
        evaluation__bootstrap_samples=20,
        evaluation__folds=3,
    )


def _context(spark: SparkSession, settings: Settings) -> Context:
    return Context(spark, Lake(spark, settings.lake, "a-run"), settings, lambda done, total: None)


def test_scores_are_cosines_of_the_predictions_in_the_table(
    spark: SparkSession, settings: Settings
) -> None:
    context = _context(spark, settings)
    scores = score(context, with_configured(settings.evaluation, settings.prediction))
    truths = Models.of(settings).sentence_encoder().encode_texts(list(TRUTHS.values()))
    predictions = context.lake.read(PREDICTIONS).select("image_uri", "embedding").collect()
    cosines = []
    for row in predictions:
        truth = truths[list(TRUTHS).index(Path(row.image_uri).stem)]
        vector = np.array(row.embedding)
        cosines.append(float(vector @ truth / np.linalg.norm(vector)))
    assert scores.left_out == 0
    np.testing.assert_allclose(sorted(scores.cosines[:, -1]), sorted(cosines), atol=1e-4)


def test_a_truth_in_the_pool_is_never_a_neighbour(spark: SparkSession, settings: Settings) -> None:
    context = _context(spark, settings)
    prompts = context.lake.read(PREDICTIONS).where(F.col("image_uri").contains("chelsea"))
    nearest = prompts.select("predicted_prompt").first()[0]
    file = Path(settings.evaluation.truths.path)
    file.write_text(f'image,prompt\nchelsea,"{nearest}"\n')
    scores = score(context, {"Clip": Combination(k=1, w1=0.0, w2=1.0)})
    assert scores.left_out >= 1
    assert scores.cosines.max() < settings.evaluation.leak_similarity


def test_each_kind_writes_its_rows(
    run: Run, spark: SparkSession, settings: Settings, tmp_path: Path
) -> None:
    small = changed(settings, evaluation__grid_neighbours=(1, 5), evaluation__grid_w1=(0.0, 1.0))
    plots = tmp_path / "plots"
    stages = (Evaluate(), EvaluatePaperTable(), EvaluateGrid(plots), EvaluateOptions())
    counts = [run(small, stage)[0] for stage in stages]
    written = Lake(spark, settings.lake, "").read(EVALUATIONS).groupBy("run_id").count()
    assert sorted(row["count"] for row in written.collect()) == sorted(c.rows_out for c in counts)
    assert [counts[0].rows_out, counts[1].rows_out, counts[2].rows_out] == [4, 6, 4]
    assert (plots / "grid_heat_map.png").exists()
    assert "3 images, 3 true prompts" in counts[0].message
    images = Lake(spark, settings.lake, "").read(EVALUATED_IMAGES).collect()
    configured = Lake(spark, settings.lake, "").read(EVALUATIONS).where("variant = 'configured'")
    mean = sum(row.cosine for row in images) / len(TRUTHS)
    assert [row.truths for row in images] == [1, 1, 1]
    assert mean == pytest.approx(configured.first().mean_cosine)


def test_calibration_fills_the_confidence_of_old_and_new_predictions(
    run: Run,
    spark: SparkSession,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(MissingInputError, match="on 3 images of unlike truths: name 20 or more"):
        run(settings, CalibrateConfidence(tmp_path / "plots"))
    monkeypatch.setattr(calibrate, "FEWEST_IMAGES", len(TRUTHS))
    predictions = Lake(spark, settings.lake, "").read(PREDICTIONS)
    assert predictions.where("confidence IS NOT NULL").count() == 0
    run(settings, CalibrateConfidence(tmp_path / "plots"))
    filled = Lake(spark, settings.lake, "").read(PREDICTIONS)
    assert filled.where("confidence BETWEEN -1 AND 1").count() == len(TRUTHS)
    assert (tmp_path / "plots" / "reliability.png").exists()


def _every_kind(folder: Path) -> list[Stage]:
    plotted = [EvaluateGrid(folder), CalibrateConfidence(folder)]
    return [Evaluate(), EvaluatePaperTable(), EvaluateOptions(), *plotted]


def test_evaluation_without_truths_says_what_to_set_before_it_starts(tmp_path: Path) -> None:
    for stage in _every_kind(tmp_path):
        with pytest.raises(MissingInputError, match=r"set `evaluation.truths`"):
            stage.check(Settings())


def test_what_is_plotted_needs_the_extra_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truths = {"truths": {"kind": "csv", "path": "/a/truths.csv"}}
    settings = Settings.model_validate({"evaluation": truths})
    for stage in _every_kind(tmp_path):
        stage.check(settings)
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    for stage, option in (
        (EvaluateGrid(tmp_path), "--grid"),
        (CalibrateConfidence(tmp_path), "--calibrate"),
    ):
        said = f"^{option} needs the Python package matplotlib: .* `report`"
        with pytest.raises(EnvironmentMissingError, match=said):
            stage.check(settings)
    Evaluate().check(settings)


def test_truths_of_other_images_are_refused(run: Run, settings: Settings) -> None:
    Path(settings.evaluation.truths.path).write_text("image,prompt\nnobody,a cat\n")
    with pytest.raises(MissingInputError, match="No embedded image has a true prompt"):
        run(settings, Evaluate())
