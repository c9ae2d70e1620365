"""DiffusionDB's metadata parquet (metadata.parquet, metadata-large.parquet)."""

from typing import Literal

from pydantic import Field
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from promptknn.locations import PathLocation
from promptknn.sources.data_set import DataSet, data_set_rows, optional, required, whole_number
from promptknn.sources.filters import Filter, at_least, at_most, filtered
from promptknn.sources.reading import load


class DiffusionDbSource(DataSet):
    """Prompts that people gave to Stable Diffusion, a row for each picture made.

    Columns: image_name, prompt, part_id, seed, step, cfg, sampler, width, height, user_name,
    timestamp, image_nsfw, prompt_nsfw. Many pictures have the same prompt; each is a row here, and
    cleaning keeps one of them. A row is named by the place of its picture in the data set,
    part-000001/NAME; `images` is the folder that holds the part- folders.

    image_nsfw is 2 where Stable Diffusion has blurred the picture itself, else 0 to 1.
    """

    kind: Literal["diffusiondb"]
    images: PathLocation | None = None
    maximum_image_nsfw: float | None = Field(default=None, ge=0, le=2)
    maximum_prompt_nsfw: float | None = Field(default=None, ge=0, le=1)
    minimum_width: int | None = Field(default=None, ge=1)
    minimum_height: int | None = Field(default=None, ge=1)

    @property
    def label(self) -> str:
        return self.name or "diffusiondb"

    @property
    def filters(self) -> tuple[Filter, ...]:
        return (
            at_most("maximum_image_nsfw", self.maximum_image_nsfw, "image_nsfw"),
            at_most("maximum_prompt_nsfw", self.maximum_prompt_nsfw, "prompt_nsfw"),
            at_least("minimum_width", self.minimum_width, "width"),
            at_least("minimum_height", self.minimum_height, "height"),
        )

    def read(self, spark: SparkSession) -> DataFrame:
        frame = load(spark.read, "parquet", self.path, self.label)
        text = required(frame, self.place, "the prompt", "prompt")
        frame = filtered(frame, self.filters, self.keep_missing, self.place)
        picture = _picture(frame)
        folder = F.lit(f"{self.images.rstrip('/')}/" if self.images else "")
        used = ("prompt", "part_id", "image_name")
        return data_set_rows(frame, picture, text, F.concat(folder, picture), used)


def _picture(frame: DataFrame) -> Column:
    """Give the picture's path in the data set; null where a part of it is."""
    part = F.lpad(whole_number(frame, "part_id"), 6, "0")
    return F.concat(F.lit("part-"), part, F.lit("/"), optional(frame, "image_name"))
