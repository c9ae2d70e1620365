from datetime import UTC, datetime
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run as MlflowRun

from promptknn.errors import MissingInputError
from promptknn.settings import Settings
from promptknn.stage import Context, Counts, Stage, StageRun
from promptknn.tracking.mlflow_runs import MlflowRuns
from promptknn.tracking.settings import TrackingSettings
from tests.conftest import Run

EXPERIMENT = "small runs"


class Score(Stage):
    name = "score"

    def __init__(self, picture: Path) -> None:
        self._picture = picture

    def run(self, context: Context) -> Counts:
        figures = {"cosine Clip + KNN (10), 0.6 / 0.4": 0.549}
        return Counts(3, 2, 1, "3 images scored", figures=figures, pictures=(self._picture,))


class Fail(Stage):
    name = "fail"

    def run(self, context: Context) -> Counts:
        raise MissingInputError("captions.csv is not there: name another file.")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrackingSettings:
    """A folder, which MLflow prefers not to be used any more."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return TrackingSettings(mlflow=(tmp_path / "runs").as_uri(), experiment=EXPERIMENT)


def stage_run(stage: str, counts: Counts) -> StageRun:
    return StageRun(stage, "1", "{}", {}, datetime.now(UTC), 1.0, counts, None)


def logged(store: TrackingSettings) -> dict[str, MlflowRun]:
    client = MlflowClient(tracking_uri=store.mlflow)
    experiment = client.get_experiment_by_name(store.experiment)
    assert experiment is not None
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def test_stages_of_a_job_are_runs_with_settings_figures_and_pictures(
    run: Run, store: TrackingSettings, tmp_path: Path
) -> None:
    picture = tmp_path / "curve.png"
    picture.write_bytes(b"picture")
    tree = {"lake": str(tmp_path / "lake"), "tracking": store.model_dump()}
    with pytest.raises(MissingInputError, match=r"captions\.csv"):
        run(Settings.model_validate(tree), Score(picture), Fail())
    runs = logged(store)
    scored, failed = runs["score"], runs["fail"]
    assert (scored.info.status, failed.info.status) == ("FINISHED", "FAILED")
    metrics = scored.data.metrics
    assert metrics["cosine Clip KNN 10 0.6 / 0.4"] == 0.549
    assert [metrics[f"rows_{what}"] for what in ("in", "out", "rejected")] == [3, 2, 1]
    assert metrics["seconds"] >= 0
    assert scored.data.params["prediction.k"] == "200"
    assert scored.data.params["cleaning.languages"] == '["en"]'
    assert scored.data.tags["message"] == "3 images scored"
    assert failed.data.tags["error"].endswith("captions.csv is not there: name another file.")
    assert scored.data.tags["promptknn_run_id"] == failed.data.tags["promptknn_run_id"]
    client = MlflowClient(tracking_uri=store.mlflow)
    names = {file.path for file in client.list_artifacts(scored.info.run_id)}
    assert names == {"curve.png", "settings.json"}


def test_a_second_job_joins_the_experiment(store: TrackingSettings) -> None:
    for name in ("first", "second"):
        runs = MlflowRuns.of(store)
        assert runs is not None
        runs.log(stage_run(name, Counts()))
    assert set(logged(store)) == {"first", "second"}


def test_nothing_is_opened_unless_asked_for() -> None:
    assert MlflowRuns.of(TrackingSettings()) is None


def test_a_store_that_cannot_be_had_is_named_with_the_cure(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    with pytest.raises(MissingInputError, match=r"check `tracking\.mlflow`"):
        MlflowRuns.of(TrackingSettings(mlflow=(file / "runs").as_uri()))


def test_a_store_that_fails_later_costs_a_warning(
    store: TrackingSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runs = MlflowRuns.of(store)
    assert runs is not None
    missing = Counts(pictures=(tmp_path / "missing.png",))
    runs.log(stage_run("score", missing))
    assert "score is not logged in MLflow" in caplog.text
