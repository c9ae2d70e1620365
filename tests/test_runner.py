import json
from pathlib import Path

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from promptknn.errors import MissingInputError
from promptknn.lake import Lake
from promptknn.settings import Settings
from promptknn.stage import Context, Counts, Stage
from promptknn.tables import JOB_RUNS, REJECTED_PROMPTS
from tests.conftest import Run
from tests.small import changed


class RejectOne(Stage):
    name = "reject_one"
    outputs = (REJECTED_PROMPTS,)

    def run(self, context: Context) -> Counts:
        row = context.spark.range(1).select(
            F.lit("captions").alias("source"),
            F.lit("1").alias("source_row_id"),
            F.lit("").alias("text"),
            F.lit("empty").alias("reason"),
            F.lit("").alias("detail"),
            F.current_timestamp().alias("rejected_at"),
        )
        written = context.lake.insert(REJECTED_PROMPTS, row)
        return Counts(rows_in=written, rows_rejected=written, message=f"{written} rejected")


class Fail(Stage):
    name = "fail"
    inputs = (REJECTED_PROMPTS,)

    def run(self, context: Context) -> Counts:
        raise MissingInputError("captions.csv is not there: name another file.")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate({"lake": str(tmp_path / "lake")})


def job_runs(spark: SparkSession, settings: Settings) -> list[Row]:
    return Lake(spark, settings.lake, "look").read(JOB_RUNS).orderBy("started_at").collect()


def test_each_stage_leaves_a_row_of_what_it_did(
    spark: SparkSession, run: Run, settings: Settings
) -> None:
    run(settings, RejectOne(), RejectOne())
    first, second = job_runs(spark, settings)
    assert (first.stage, first.status, first.rows_in, first.rows_out, first.rows_rejected) == (
        "reject_one", "succeeded", 1, 0, 1,
    )  # fmt: skip
    assert (second.status, second.rows_in, second.message) == ("unchanged", 0, "0 rejected")
    assert first.run_id == second.run_id
    assert first.seconds > 0
    assert first.rows_per_second == pytest.approx(1 / first.seconds)
    assert json.loads(first.settings)["prediction"]["k"] == settings.prediction.k


def test_secrets_of_the_settings_are_not_recorded(
    spark: SparkSession, run: Run, settings: Settings
) -> None:
    conf = {"spark.hadoop.fs.s3a.secret.key": "abc123", "spark.sql.x": "def456"}
    with pytest.raises(MissingInputError):
        run(changed(settings, spark__conf=conf), Fail())
    (row,) = job_runs(spark, settings)
    assert "abc123" not in row.settings
    assert json.loads(row.settings)["spark"]["conf"] == {
        "spark.hadoop.fs.s3a.secret.key": "(masked)", "spark.sql.x": "def456",
    }  # fmt: skip


def test_a_failure_that_cannot_be_recorded_is_the_one_that_is_raised(
    run: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lake, "append", lambda *_: 1 / 0)
    with pytest.raises(MissingInputError, match=r"captions\.csv"):
        run(settings, Fail())


def test_failed_stage_is_recorded_and_stops_the_run(
    spark: SparkSession, run: Run, settings: Settings
) -> None:
    with pytest.raises(MissingInputError, match=r"captions\.csv"):
        run(settings, RejectOne(), Fail(), RejectOne())
    first, failed = job_runs(spark, settings)
    assert (first.stage, first.status) == ("reject_one", "succeeded")
    assert (failed.stage, failed.status) == ("fail", "failed")
    assert failed.error == "MissingInputError: captions.csv is not there: name another file."
    assert failed.input_versions == {"rejected_prompts": 1}
