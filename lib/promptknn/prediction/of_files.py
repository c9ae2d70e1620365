"""What belongs to a file as it was read last: one that was overwritten has rows of each content."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F


def latest_of_files(rows: DataFrame, read_at: str) -> DataFrame:
    """Keep of each image_uri the row that was read last, by the column read_at."""
    return rows.withColumn("place", _place(read_at)).where("place = 1").drop("place")


def without_replaced(predictions: DataFrame, embedded: DataFrame) -> DataFrame:
    """Leave out predictions of what a file held before.

    Args:
        predictions: of one settings hash.
        embedded: image_embeddings.
    """
    key = ["image_id", "clip_model"]
    narrow = predictions.select(*key, "image_uri").join(embedded.select(*key, "embedded_at"), key)
    replaced = narrow.withColumn("place", _place("embedded_at")).where("place > 1")
    # Few files are overwritten: their ids travel, and no prediction does.
    return predictions.join(F.broadcast(replaced.select("image_id")), "image_id", "left_anti")


def _place(read_at: str) -> Column:
    return F.row_number().over(Window.partitionBy("image_uri").orderBy(F.desc(read_at)))
