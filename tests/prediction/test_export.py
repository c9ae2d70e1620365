import csv
import json
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promptknn.errors import MissingInputError, SettingsError
from promptknn.lake import Lake
from promptknn.prediction.export import (
    SUBMISSION_DIM,
    ExportPredictions,
    check_names,
    submission,
    submission_values,
)
from promptknn.settings import Settings
from promptknn.tables import PREDICTIONS, REJECTED_IMAGES
from tests.conftest import Run
from tests.small import PHOTOGRAPHS
from tests.submission import run_well_here, write_config


def _predictions(spark: SparkSession, settings: Settings) -> DataFrame:
    return Lake(spark, settings.lake, "look").read(PREDICTIONS)


def _read_csv(folder: Path) -> list[dict[str, str]]:
    (file,) = folder.glob("*.csv")
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_parquet_is_the_table(
    spark: SparkSession, run: Run, built_copy: Settings, tmp_path: Path
) -> None:
    run(built_copy, ExportPredictions(str(tmp_path / "out"), "parquet", None))
    written, table = spark.read.parquet(str(tmp_path / "out")), _predictions(spark, built_copy)
    assert written.columns == table.columns
    assert sorted(written.collect()) == sorted(table.collect())


def test_csv_holds_lists_as_json_and_texts_as_they_are(
    spark: SparkSession, run: Run, built_copy: Settings, tmp_path: Path
) -> None:
    odd = ' a "quoted", text\\\nof two lines '
    lake = Lake(spark, built_copy.lake, "a-run")
    changed = lake.read(PREDICTIONS).withColumn("predicted_prompt", F.lit(odd)).drop("run_id")
    lake.replace(PREDICTIONS, changed)
    run(built_copy, ExportPredictions(str(tmp_path / "out"), "csv", 1))
    rows = _read_csv(tmp_path / "out")
    table = {row.image_uri: row for row in lake.read(PREDICTIONS).collect()}
    assert len(rows) == len(PHOTOGRAPHS)
    for row in rows:
        known = table[row["image_uri"]]
        assert row["predicted_prompt"] == odd
        assert json.loads(row["neighbours"])[0]["prompt"] == known.neighbours[0].prompt
        np.testing.assert_allclose(json.loads(row["embedding"]), known.embedding, rtol=1e-6)
        assert row["confidence"] == ""


def test_submission_has_a_row_a_value_and_images_that_repeat_another(
    spark: SparkSession, built_copy: Settings, tmp_path: Path
) -> None:
    lake = Lake(spark, built_copy.lake, "a-run")
    lake.sql(
        "INSERT INTO {0} SELECT '/elsewhere/copy.of.coffee.png', 1, now(), clip_model, "
        "'duplicate_image', image_id, now(), 'a-run' FROM {1} WHERE image_uri LIKE '%coffee%'",
        REJECTED_IMAGES,
        PREDICTIONS,
    )
    config = write_config(tmp_path / "mine.yaml", {"lake": built_copy.lake})
    out = tmp_path / "out"
    said = run_well_here("export_predictions", config, "--form", "submission", "--output", str(out))
    assert "4 images, 384 values each" in said
    rows = _read_csv(out)
    assert list(rows[0]) == ["imgId_eId", "val"]
    assert len(rows) == (len(PHOTOGRAPHS) + 1) * SUBMISSION_DIM
    values = {row["imgId_eId"]: float(row["val"]) for row in rows}
    assert len(values) == len(rows)
    for known in lake.read(PREDICTIONS).collect():
        name = Path(known.image_uri).stem
        found = [values[f"{name}_{place}"] for place in range(SUBMISSION_DIM)]
        np.testing.assert_allclose(found, known.embedding, rtol=1e-5)
        if name == "coffee":
            again = [values[f"copy.of.coffee_{place}"] for place in range(SUBMISSION_DIM)]
            assert again == found
    places = [row["imgId_eId"].rpartition("_") for row in rows]
    assert [int(place) for _, _, place in places] == [*range(SUBMISSION_DIM)] * 4


def test_only_the_latest_settings_are_written(
    spark: SparkSession, run: Run, built_copy: Settings, tmp_path: Path
) -> None:
    lake = Lake(spark, built_copy.lake, "a-run")
    before = F.expr("predicted_at - INTERVAL 1 DAY")
    older = {"settings_hash": F.lit("older"), "predicted_at": before}
    lake.append(PREDICTIONS, lake.read(PREDICTIONS).withColumns(older))
    (counts,) = run(built_copy, ExportPredictions(str(tmp_path / "out"), "parquet", 2))
    hashes = spark.read.parquet(str(tmp_path / "out")).select("settings_hash").distinct().collect()
    assert counts.rows_out == len(PHOTOGRAPHS)
    assert [row.settings_hash == "older" for row in hashes] == [False]


def test_what_is_there_is_never_written_over(
    run: Run, built_copy: Settings, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "precious.txt").write_text("a year's work")
    with pytest.raises(MissingInputError, match=r"give `--output` a folder that is not there yet"):
        run(built_copy, ExportPredictions(str(there), "parquet", None))
    assert [file.name for file in there.iterdir()] == ["precious.txt"]


REJECTED = (
    "clip_model string, reason string, detail string, image_uri string, rejected_at timestamp"
)


def _images(spark: SparkSession, *rows: tuple[str, int]) -> DataFrame:
    frame = spark.createDataFrame(list(rows), "image_uri string, dim int")
    vectors = F.array_repeat(F.lit(0.5).cast("float"), F.col("dim"))
    return frame.withColumn("embedding", vectors).withColumns(
        {
            "image_id": F.col("image_uri"),
            "clip_model": F.lit("clip"),
            "embedded_at": F.current_timestamp(),
        }
    )


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        ([("/a/1.png", 384), ("/b/1.jpg", 384)], r"2 images have 1 names: give `images.paths` no"),
        ([("/a/1.png", 768)], r"384 values an image, but predictions have 768: .*sentence.model"),
    ],
)
def test_a_submission_that_cannot_be_one_is_refused(
    spark: SparkSession, images: list[tuple[str, int]], sentence: str
) -> None:
    none = spark.createDataFrame([], REJECTED)
    frame = _images(spark, *images)
    with pytest.raises(SettingsError, match=sentence):
        check_names(submission(frame.drop("embedded_at"), frame, none))


@pytest.mark.parametrize("copied", [False, True])
def test_a_file_whose_content_was_replaced_counts_once_as_it_was_read_last(
    spark: SparkSession, copied: bool
) -> None:
    now = _images(spark, ("/a/1.png", 384))
    before = {
        "image_id": F.lit("before"),
        "embedded_at": F.expr("embedded_at - INTERVAL 1 DAY"),
        "embedding": F.array_repeat(F.lit(0.25).cast("float"), 384),
    }
    other = {"image_id": F.lit("other"), "image_uri": F.lit("/a/2.png")}
    frame = now.withColumns(other) if copied else now
    frame = frame.unionByName(now.withColumns(before))
    # Its new content is that of another file, which was embedded; or it repeats itself alone.
    copy = [("clip", "duplicate_image", "other", "/a/1.png")] if copied else []
    rejected = spark.createDataFrame(copy, REJECTED.removesuffix(", rejected_at timestamp"))
    rejected = rejected.withColumn("rejected_at", F.current_timestamp())
    rows = submission(frame.drop("embedded_at"), frame, rejected).orderBy("imgId")
    assert check_names(rows) == (2 if copied else 1)
    assert rows.collect()[0].embedding[0] == 0.5


def test_values_of_an_image_stay_in_one_file(spark: SparkSession) -> None:
    rows = _images(spark, *((f"{number}", 3) for number in range(20)))
    placed = submission_values(rows.withColumnRenamed("image_uri", "imgId"), files=2)
    files = placed.select("imgId_eId", F.spark_partition_id().alias("file")).collect()
    assert len({row.file for row in files}) == 2
    of = {(row.imgId_eId.split("_")[0], row.file) for row in files}
    assert len(of) == 20


def test_no_files_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"--files is 0: give 1 or more"):
        ExportPredictions("/out", "csv", 0)
