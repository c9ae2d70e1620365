"""LAION-400M's metadata parquet, as published or as img2dataset leaves it."""

from typing import Literal

from pydantic import Field
from pyspark.sql import DataFrame, SparkSession

from promptknn.sources.data_set import DataSet, data_set_rows, optional, required, whole_number
from promptknn.sources.filters import Filter, at_least, filtered, one_of
from promptknn.sources.reading import load


class LaionSource(DataSet):
    """Alternative texts of images on the web, with CLIP's similarity of image and text.

    As published: SAMPLE_ID, URL, TEXT, HEIGHT, WIDTH, LICENSE, NSFW, similarity. As img2dataset
    leaves it: url, caption, original_width, original_height, and the other columns that it was told
    to keep. A row without SAMPLE_ID is named by its content: img2dataset's `key` depends on how
    many files it was told to write.

    `allowed_nsfw` holds values of NSFW (UNLIKELY, UNSURE, NSFW), letter for letter.
    """

    kind: Literal["laion"]
    minimum_similarity: float | None = Field(default=None, ge=-1, le=1)
    allowed_nsfw: tuple[str, ...] | None = Field(default=None, min_length=1)
    minimum_width: int | None = Field(default=None, ge=1)
    minimum_height: int | None = Field(default=None, ge=1)

    @property
    def label(self) -> str:
        return self.name or "laion"

    @property
    def filters(self) -> tuple[Filter, ...]:
        return (
            at_least("minimum_similarity", self.minimum_similarity, "similarity"),
            one_of("allowed_nsfw", self.allowed_nsfw, "NSFW"),
            # img2dataset's own `width` is that of the picture it has made smaller.
            at_least("minimum_width", self.minimum_width, "original_width", "WIDTH"),
            at_least("minimum_height", self.minimum_height, "original_height", "HEIGHT"),
        )

    def read(self, spark: SparkSession) -> DataFrame:
        frame = load(spark.read, "parquet", self.path, self.label)
        text = required(frame, self.place, "the caption", "TEXT", "caption")
        frame = filtered(frame, self.filters, self.keep_missing, self.place)
        row_id = whole_number(frame, "SAMPLE_ID")
        used = ("SAMPLE_ID", "URL", "TEXT", "caption")
        return data_set_rows(frame, row_id, text, optional(frame, "URL"), used)
