import json
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from promptknn.lake import Lake
from promptknn.prediction.predict import PredictPrompts
from promptknn.settings import Settings
from promptknn.tables import PREDICTIONS
from tests.checkpoints import tiny_clip
from tests.conftest import Run
from tests.site import Site
from tests.small import PHOTOGRAPHS, PROMPTS
from tests.submission import run_here, run_well_here, submit
from tests.vectors import assert_same_predictions


@pytest.fixture(scope="module")
def site_copy(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return site.copy(tmp_path_factory.mktemp("copy") / "small")


def test_predictions_are_read_without_spark(site: Site) -> None:
    found = DeltaTable(str(site.home / "lake" / "predictions")).to_pyarrow_table()
    names = {Path(uri).name for uri in found.column("image_uri").to_pylist()}
    assert names == set(PHOTOGRAPHS)
    assert found.num_rows == len(PHOTOGRAPHS)
    assert all(found.column("predicted_prompt").to_pylist())


def test_raw_prompts_are_prompts_and_rejected_prompts(site: Site) -> None:
    assert site.rows("raw_prompts") == PROMPTS
    assert site.rows("prompts") + site.rows("rejected_prompts") == PROMPTS


def test_jobs_say_what_they_did_and_what_they_found(site: Site) -> None:
    for sentence in (
        f"ingest_prompts: {PROMPTS} new rows from demo",
        "prompts kept",
        "prompts embedded",
        "recall@100 1.000",
        "3 images predicted with index",
        "chelsea.png",
    ):
        assert sentence in site.said


def test_lake_lies_beside_the_settings_and_nothing_elsewhere(site: Site) -> None:
    assert (site.home / "lake" / "predictions").is_dir()
    assert list(site.elsewhere.iterdir()) == []


def test_one_core_and_two_predict_the_same(
    spark: SparkSession, run: Run, site: Site, built_copy: Settings
) -> None:
    expected = spark.read.format("delta").load(str(site.home / "lake" / PREDICTIONS.name))
    Lake(spark, built_copy.lake, "look").sql("DELETE FROM {0}", PREDICTIONS)
    run(built_copy, PredictPrompts())
    found = spark.read.format("delta").load(f"{built_copy.lake}/{PREDICTIONS.name}")
    assert_same_predictions(found, expected)


def test_second_run_adds_rows_to_job_runs_only(spark: SparkSession, site_copy: Site) -> None:
    before, runs = site_copy.tables(), site_copy.rows("job_runs")
    said = run_well_here("build_index", site_copy.config)
    said += run_well_here("predict_prompts", site_copy.config)
    assert "nothing new in demo" in said
    assert site_copy.tables() == before
    history = DeltaTable(str(site_copy.home / "lake" / "job_runs")).to_pyarrow_table()
    assert history.num_rows > runs
    assert set(history.column("status").to_pylist()) == {"succeeded", "unchanged"}
    assert json.loads(history.column("settings")[0].as_py())["sources"][0]["prompts"] == PROMPTS


def test_wrong_setting_is_one_sentence_and_exit_code_2(site: Site) -> None:
    done = submit("predict_prompts", site.config, site.elsewhere, "--set", "prediction.kk=10")
    assert done.returncode == 2
    said = done.stdout + done.stderr
    (line,) = [line for line in said.splitlines() if line.startswith("promptknn:")]
    assert "Setting 'prediction.kk'" in line
    assert "Traceback" not in said


def test_failure_in_the_lake_is_one_sentence_and_exit_code_2(
    spark: SparkSession, site_copy: Site
) -> None:
    code, said = run_here("predict_prompts", site_copy.config, "--set", "prediction.k=9999")
    assert code == 2
    assert "promptknn: prediction.k is 9999, but the index holds" in said
    assert "Traceback" not in said
    history = DeltaTable(str(site_copy.home / "lake" / "job_runs")).to_pyarrow_table().to_pylist()
    (failed,) = [row for row in history if row["status"] == "failed"]
    assert failed["stage"] == "predict_prompts"
    assert failed["error"].startswith("SettingsError: prediction.k is 9999")


def test_open_clip_checkpoint_goes_through_the_same_jobs(
    spark: SparkSession, site_copy: Site, tmp_path: Path
) -> None:
    model = tiny_clip(tmp_path / "tiny", seed=1)
    options = ("--set", f"clip.model={model}", "--set", "prediction.k=7")
    run_well_here("build_index", site_copy.config, *options)
    run_well_here("predict_prompts", site_copy.config, *options)
    found = DeltaTable(str(site_copy.home / "lake" / "predictions")).to_pyarrow_table().to_pylist()
    ours = [row for row in found if row["clip_model"].startswith("local-dir:tiny@")]
    assert {Path(row["image_uri"]).name for row in ours} == set(PHOTOGRAPHS)
    assert {row["k"] for row in ours} == {7}
    assert {len(row["neighbours"]) for row in ours} == {7}
    versions = DeltaTable(str(site_copy.home / "lake" / "index_versions")).to_pyarrow_table()
    active = [row for row in versions.to_pylist() if row["active"]]
    assert [row["query_map"] for row in active] == ["identity"]
