"""COCO captions JSON: {"images": [{id, file_name}], "annotations": [{id, image_id, caption}]}."""

from pathlib import PurePosixPath
from typing import Literal

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promptknn.errors import MissingInputError
from promptknn.locations import PathLocation
from promptknn.sources.reading import load
from promptknn.sources.source import Source

_SCHEMA = (
    "images array<struct<id: bigint, file_name: string>>, "
    "annotations array<struct<id: bigint, image_id: bigint, caption: string>>"
)


class CocoSource(Source):
    """Captions of COCO (captions_train2017.json and its like); `images` is the pictures' folder."""

    kind: Literal["coco"]
    path: PathLocation
    images: PathLocation | None = None

    @property
    def label(self) -> str:
        return self.name or PurePosixPath(self.path).stem

    def read(self, spark: SparkSession) -> DataFrame:
        captions = read_captions(spark, self.path, self.label)
        folder = F.lit(f"{self.images.rstrip('/')}/" if self.images else "")
        return captions.select(
            F.col("caption_id").cast("string").alias("source_row_id"),
            F.col("caption").alias("text"),
            F.concat(folder, "file_name").alias("image_uri"),
            F.create_map(F.lit("image_id"), F.col("image_id").cast("string")).alias("metadata"),
        )


def read_captions(spark: SparkSession, path: str, label: str) -> DataFrame:
    """Read captions with the file name of their image.

    Returns:
        caption_id bigint, image_id bigint, caption string, file_name string or null.

    Raises:
        MissingInputError: the file is absent, or has no annotations as COCO has them.
    """
    whole = load(spark.read.schema(_SCHEMA), "json", path, label, {"multiLine": "true"})
    captions = whole.select(F.explode("annotations").alias("a")).select(
        F.col("a.id").alias("caption_id"),
        F.col("a.image_id").alias("image_id"),
        F.col("a.caption").alias("caption"),
    )
    if captions.limit(1).count() == 0:
        raise MissingInputError(
            f"'{label}': {path} holds no `annotations` with `id`, `image_id` and `caption`: "
            f"give a captions JSON as COCO publishes it."
        )
    pictures = whole.select(F.explode("images").alias("i")).select(
        F.col("i.id").alias("image_id"), F.col("i.file_name").alias("file_name")
    )
    return captions.join(pictures, "image_id", "left")
