"""The views of conf/sql and its example queries, over the small run with some rows added."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from promptknn.errors import MissingInputError, SettingsError
from promptknn.lake import Lake
from promptknn.settings import Settings
from promptknn.stage import Context
from promptknn.table import Table
from promptknn.tables import (
    EVALUATED_IMAGES,
    EVALUATIONS,
    JOB_RUNS,
    PREDICTIONS,
    REJECTED_IMAGES,
)
from promptknn.views.create_views import (
    CreateViews,
    check_catalog_remembers,
    create_views,
    write_script,
)
from promptknn.views.definitions import read_views, tables_read
from tests.small import PHOTOGRAPHS, small_settings
from tests.submission import FAST_START, ROOT, SPARK_SUBMIT, run_well_here, write_config

CONF = ROOT / "conf" / "sql"
EXAMPLES = sorted((CONF / "examples").glob("*.sql"))
SCHEMA = "views_of_the_small_run"
NEIGHBOURS = 10


def _add(lake: Lake, table: Table, values: str) -> None:
    """Append one row: the values of the columns in order, as SQL."""
    lake.spark.sql(f"INSERT INTO {lake.reference(table)} VALUES ({values})")


@pytest.fixture(scope="module")
def viewed(
    spark: SparkSession, built: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lake]:
    """The small run, predicted again with other settings for one image, evaluated twice."""
    copy = tmp_path_factory.mktemp("viewed") / "lake"
    shutil.copytree(built.lake, copy)
    lake = Lake(spark, str(copy), "a-run")
    views = read_views(CONF)
    lake.create(tables_read(views))
    later = {
        "settings_hash": F.lit("later"),
        "predicted_at": F.expr("predicted_at + INTERVAL 1 DAY"),
    }
    coffee = lake.read(PREDICTIONS).where("image_uri LIKE '%coffee%'")
    lake.append(PREDICTIONS, coffee.withColumns(later))
    for day, cosine in ((1, 0.4), (2, 0.5)):
        at = f"TIMESTAMP '2026-01-0{day}'"
        _add(
            lake, EVALUATIONS,
            f"'configured', {cosine}, 0.3, 0.6, 3, 3, 0, 100, 1, 0, 'clip', 'words', 'index', "
            f"{at}, 'day {day}'",
        )  # fmt: skip
        lake.sql(
            f"INSERT INTO {{0}} SELECT image_id, settings_hash, {cosine}, 1, index_version, {at}, "
            f"'day {day}' FROM {{1}} WHERE image_uri LIKE '%rocket%'",
            EVALUATED_IMAGES,
            PREDICTIONS,
        )
    # The last one is of another index, and so of other neighbours than those predicted.
    lake.sql(
        "INSERT INTO {0} SELECT image_id, settings_hash, 0.9, 1, 'other', "
        "TIMESTAMP '2026-01-03', 'day 3' FROM {1}",
        EVALUATED_IMAGES,
        PREDICTIONS,
    )
    _add(
        lake, REJECTED_IMAGES,
        "'/pictures/broken.png', 7, now(), 'clip', 'truncated', 'cut', now(), 'a-run'",
    )  # fmt: skip
    _add(
        lake, JOB_RUNS,
        "'build_index', 'failed', 0, 0, 0, 1.5, 0, '{\"prediction\": {\"k\": 9}}', map(), NULL, "
        "'SettingsError: no', TIMESTAMP '2026-01-01', 'a-run'",
    )  # fmt: skip
    create_views(lake, views, SCHEMA)
    before = spark.catalog.currentDatabase()
    spark.catalog.setCurrentDatabase(SCHEMA)
    yield lake
    spark.catalog.setCurrentDatabase(before)


def _rows(lake: Lake, query: str) -> list[Row]:
    return lake.spark.sql(query).collect()


@pytest.mark.parametrize("example", EXAMPLES, ids=[file.stem for file in EXAMPLES])
def test_example_finds_rows(viewed: Lake, example: Path) -> None:
    assert _rows(viewed, example.read_text())


def test_there_are_ten_examples_and_each_asks_a_question() -> None:
    assert len(EXAMPLES) == 10
    assert all("?" in file.read_text().splitlines()[0] for file in EXAMPLES)


def test_views_have_their_comment(viewed: Lake) -> None:
    told = {row.col_name: row.data_type for row in _rows(viewed, "DESCRIBE EXTENDED neighbours")}
    assert told["Comment"] == "One row is a neighbour of a prediction."


def test_neighbours_have_a_row_each(viewed: Lake) -> None:
    rows = _rows(viewed, "SELECT * FROM neighbours WHERE settings_hash <> 'later'")
    assert len(rows) == NEIGHBOURS * len(PHOTOGRAPHS)
    assert {row.rank for row in rows} == set(range(1, NEIGHBOURS + 1))


def test_latest_prediction_is_one_an_image(viewed: Lake) -> None:
    rows = _rows(viewed, "SELECT image_uri, settings_hash FROM latest_predictions")
    hashes = {Path(row.image_uri).name: row.settings_hash for row in rows}
    assert set(hashes) == set(PHOTOGRAPHS)
    assert len(rows) == len(PHOTOGRAPHS)
    assert [name for name, found in hashes.items() if found == "later"] == ["coffee.png"]


def test_low_agreement_is_the_least_of_each_settings(viewed: Lake) -> None:
    latest = _rows(viewed, "SELECT settings_hash, agreement FROM latest_predictions")
    least: dict[str, float] = {}
    for row in latest:
        least[row.settings_hash] = min(row.agreement, least.get(row.settings_hash, 1.0))
    found = _rows(viewed, "SELECT settings_hash, agreement FROM low_agreement")
    assert {row.settings_hash: row.agreement for row in found} == least


def test_accuracy_by_model_is_the_last_one_measured(viewed: Lake) -> None:
    (row,) = _rows(viewed, "SELECT * FROM accuracy_by_model")
    assert (row.variant, row.clip_model, row.mean_cosine) == ("configured", "clip", 0.5)


def test_accuracy_by_source_counts_images_and_those_evaluated(viewed: Lake) -> None:
    (row,) = _rows(viewed, "SELECT * FROM accuracy_by_source")
    assert (row.source, row.images, row.evaluated_images) == ("demo", len(PHOTOGRAPHS), 1)
    assert row.mean_cosine == 0.5
    assert row.mean_confidence is None


def test_rejected_has_prompts_and_images(viewed: Lake) -> None:
    rows = _rows(viewed, "SELECT kind, item, reason FROM rejected WHERE kind = 'image'")
    assert [tuple(row) for row in rows] == [("image", "/pictures/broken.png", "truncated")]
    (count,) = _rows(viewed, "SELECT count(*) AS n FROM rejected WHERE kind = 'prompt'")
    (known,) = _rows(viewed, "SELECT count(*) AS n FROM rejected_prompts")
    assert count.n == known.n


def test_job_history_tells_settings_and_the_end_of_a_run(viewed: Lake) -> None:
    (row,) = _rows(viewed, "SELECT * FROM job_history WHERE run_id = 'a-run'")
    assert (row.stage, row.k, row.error) == ("build_index", 9, "SettingsError: no")
    assert (row.ended_at - row.started_at).total_seconds() == 1


def test_prompt_use_counts_images(viewed: Lake) -> None:
    rows = _rows(viewed, "SELECT * FROM prompt_use WHERE settings_hash <> 'later'")
    assert sum(row.images for row in rows) == NEIGHBOURS * len(PHOTOGRAPHS)
    assert sum(row.images_it_names for row in rows) == len(PHOTOGRAPHS)


def test_views_made_twice_are_the_same(viewed: Lake) -> None:
    create_views(viewed, read_views(CONF), SCHEMA)
    (count,) = _rows(viewed, "SELECT count(*) AS n FROM latest_predictions")
    assert count.n == len(PHOTOGRAPHS)


def test_a_view_over_columns_that_are_not_there_is_one_sentence(
    viewed: Lake, tmp_path: Path
) -> None:
    (tmp_path / "bad.sql").write_text("SELECT colour FROM {predictions}")
    with pytest.raises(SettingsError, match=rf"cannot be created in {SCHEMA} .*`--schema`"):
        create_views(viewed, read_views(tmp_path), SCHEMA)


def test_job_writes_a_script_of_temporary_views(viewed: Lake, tmp_path: Path) -> None:
    config = write_config(tmp_path / "mine.yaml", {"lake": viewed.location})
    said = run_well_here("create_views", config, "--script", str(tmp_path / "views.sql"))
    assert f"spark-sql -i {tmp_path / 'views.sql'}" in said.replace("\n", "")
    statements = (tmp_path / "views.sql").read_text().split(";\n")
    try:
        for statement in filter(str.strip, statements):
            viewed.spark.sql(statement)
        assert viewed.spark.sql("SELECT * FROM rejected").count() > 0
    finally:
        for view in viewed.spark.sql("SHOW VIEWS").where("isTemporary").collect():
            viewed.spark.catalog.dropTempView(view.viewName)


def test_spark_sql_answers_an_example(viewed: Lake, tmp_path: Path) -> None:
    script = tmp_path / "views.sql"
    rejected = [view for view in read_views(CONF) if view.name == "rejected"]
    write_script(script, viewed, rejected)
    assert script.read_text().startswith("SET spark.databricks.delta.snapshotPartitions = 1;")
    example = CONF / "examples" / "rejections.sql"
    done = subprocess.run(
        [SPARK_SUBMIT.with_name("spark-sql"), "-S", "-i", script, "-f", example],
        cwd=tmp_path,
        env={**os.environ, **FAST_START},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "image\tNULL\ttruncated\t1\tcut" in done.stdout.splitlines()


@pytest.mark.parametrize("schema", ["promptknn", "spark_catalog.promptknn"])
def test_a_catalog_in_memory_is_refused(spark: SparkSession, schema: str) -> None:
    with pytest.raises(MissingInputError, match=r"forgets views when it ends: give `--script"):
        check_catalog_remembers(spark, schema)
    check_catalog_remembers(spark, "unity.promptknn")


def test_a_lake_without_predictions_is_named(lake: Lake, tmp_path: Path) -> None:
    settings = small_settings(tmp_path)
    context = Context(lake.spark, lake, settings, lambda done, total: None)
    with pytest.raises(MissingInputError, match=r"table predictions is not in the lake"):
        CreateViews(CONF, None, tmp_path / "views.sql").run(context)
    assert not (tmp_path / "views.sql").exists()


def test_a_script_in_a_folder_that_is_not_there_is_named(viewed: Lake, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"--script .* cannot be written"):
        write_script(tmp_path / "no" / "views.sql", viewed, read_views(CONF))
