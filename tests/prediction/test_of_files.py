from datetime import UTC, datetime

from pyspark.sql import DataFrame, SparkSession

from promptknn.prediction.of_files import (
    latest_of_files,
    without_copied_over,
    without_replaced,
)

COLUMNS = "image_id string, clip_model string, image_uri string, embedded_at timestamp"


def _embedded(spark: SparkSession) -> DataFrame:
    rows = [
        ("old", "clip", "/a/cat.png", datetime(2026, 1, 1, tzinfo=UTC)),
        ("new", "clip", "/a/cat.png", datetime(2026, 1, 3, tzinfo=UTC)),
        ("dog", "clip", "/a/dog.png", datetime(2026, 1, 1, tzinfo=UTC)),
        # What another model says of an image, and when, is of no account.
        ("old", "other", "/a/cat.png", datetime(2026, 1, 9, tzinfo=UTC)),
    ]
    return spark.createDataFrame(rows, COLUMNS)


def _copied(spark: SparkSession, *files: tuple[str, int, str]) -> DataFrame:
    rows = [
        (uri, model, "duplicate_image", datetime(2026, 1, day, tzinfo=UTC))
        for uri, day, model in files
    ]
    unreadable = ("/a/dog.png", "clip", "unreadable", datetime(2026, 1, 9, tzinfo=UTC))
    columns = "image_uri string, clip_model string, reason string, rejected_at timestamp"
    return spark.createDataFrame([*rows, unreadable], columns)


def _ids(rows: DataFrame) -> list[str]:
    return sorted(row.image_id for row in rows.collect())


def test_the_row_read_last_counts(spark: SparkSession) -> None:
    found = latest_of_files(_embedded(spark).where("clip_model = 'clip'"), "embedded_at")
    assert _ids(found) == ["dog", "new"]
    assert found.columns == ["image_id", "clip_model", "image_uri", "embedded_at"]


def test_predictions_of_what_a_file_held_before_are_left_out(spark: SparkSession) -> None:
    embedded = _embedded(spark)
    predictions = embedded.where("clip_model = 'clip'").drop("embedded_at")
    assert _ids(without_replaced(predictions, embedded, _copied(spark))) == ["dog", "new"]


def test_an_old_prediction_stays_until_there_is_a_new_one(spark: SparkSession) -> None:
    embedded = _embedded(spark)
    predictions = embedded.where("image_id <> 'new' AND clip_model = 'clip'").drop("embedded_at")
    assert _ids(without_replaced(predictions, embedded, _copied(spark))) == ["dog", "old"]


def test_nothing_is_left_out_where_no_image_is_known(spark: SparkSession) -> None:
    embedded = _embedded(spark)
    predictions = embedded.where("clip_model = 'clip'").drop("embedded_at")
    assert _ids(without_replaced(predictions, embedded.limit(0), _copied(spark))) == [
        "dog",
        "new",
        "old",
    ]


def test_what_was_overwritten_with_the_bytes_of_another_image_is_left_out(
    spark: SparkSession,
) -> None:
    embedded = _embedded(spark).where("clip_model = 'clip'")
    # The cat's file was read as a copy of the dog's before it was read as the new cat.
    copied = _copied(spark, ("/a/cat.png", 2, "clip"), ("/a/dog.png", 2, "clip"))
    assert _ids(without_copied_over(embedded, copied)) == ["new"]
    assert _ids(without_replaced(embedded.drop("embedded_at"), embedded, copied)) == ["new"]
    other = _copied(spark, ("/a/dog.png", 2, "other"))
    assert _ids(without_copied_over(embedded, other)) == ["dog", "new", "old"]
