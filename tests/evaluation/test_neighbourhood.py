from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promptknn.evaluation.neighbourhood import with_truths

COLUMNS = "image_id string, image_uri string, image_name string, day int"


def test_a_file_that_was_overwritten_is_evaluated_as_it_was_embedded_last(
    spark: SparkSession,
) -> None:
    rows = [
        ("old", "/a/cat.png", "cat", 1),
        ("new", "/a/cat.png", "cat", 2),
        ("dog", "/a/dog.png", "dog", 1),
        ("other", "/a/other.png", "other", 3),
    ]
    images = spark.createDataFrame(rows, COLUMNS).select(
        "image_id",
        "image_uri",
        "image_name",
        F.array(F.lit(1.0).cast("float")).alias("embedding"),
        F.timestamp_seconds("day").alias("embedded_at"),
    )
    truths = spark.createDataFrame(
        [("cat", [1.0]), ("cat", [0.5]), ("dog", [1.0])], "image_name string, vector array<float>"
    )
    found = with_truths(images, truths)
    assert {row.image_id: len(row.truths) for row in found.collect()} == {"new": 2, "dog": 1}
    assert "embedded_at" not in found.columns
