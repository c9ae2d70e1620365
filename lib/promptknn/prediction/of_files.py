"""What belongs to a file as it was read last: one that was overwritten has rows of each content."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def latest_of_files(rows: DataFrame, read_at: str) -> DataFrame:
    """Keep of each image_uri the row that was read last, by the column read_at."""
    newest_first = Window.partitionBy("image_uri").orderBy(F.desc(read_at))
    placed = rows.withColumn("place", F.row_number().over(newest_first))
    return placed.where("place = 1").drop("place")


def without_copied_over(embedded: DataFrame, rejected: DataFrame) -> DataFrame:
    """Leave out images whose file holds the bytes of another image since: it has their row.

    Args:
        embedded: image_uri, clip_model and embedded_at.
        rejected: rejected_images.
    """
    copies = rejected.where("reason = 'duplicate_image'").groupBy("image_uri", "clip_model")
    copied = copies.agg(F.max("rejected_at").alias("copied_at"))
    both = embedded.join(copied, ["image_uri", "clip_model"], "left")
    return both.where("copied_at IS NULL OR copied_at < embedded_at").select(*embedded.columns)


def without_replaced(predictions: DataFrame, embedded: DataFrame, rejected: DataFrame) -> DataFrame:
    """Leave out predictions of what a file held before.

    Args:
        predictions: of one settings hash.
        embedded: image_embeddings.
        rejected: rejected_images.
    """
    key = ["image_id", "clip_model"]
    narrow = predictions.select(*key, "image_uri").join(embedded.select(*key, "embedded_at"), key)
    latest = latest_of_files(without_copied_over(narrow, rejected), "embedded_at")
    replaced = narrow.select("image_id").exceptAll(latest.select("image_id"))
    # Few files are overwritten: their ids travel, and no prediction does.
    return predictions.join(F.broadcast(replaced), "image_id", "left_anti")
