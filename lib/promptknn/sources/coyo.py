"""COYO-700M's metadata parquet."""

from typing import Literal

from pydantic import Field
from pyspark.sql import DataFrame, SparkSession

from promptknn.sources.data_set import DataSet, data_set_rows, optional, required, whole_number
from promptknn.sources.filters import Filter, at_least, at_most, filtered
from promptknn.sources.reading import load

_Score = Field(default=None, ge=0, le=1)


class CoyoSource(DataSet):
    """Alternative texts of images on the web, with scores of both.

    Columns: id, url, text, width, height, image_phash, text_length, word_count, num_tokens_bert,
    num_tokens_gpt, num_faces, clip_similarity_vitb32, clip_similarity_vitl14,
    nsfw_score_opennsfw2, nsfw_score_gantman, watermark_score, aesthetic_score_laion_v2.

    `minimum_similarity` is asked of the CLIP model that `similarity_model` names.
    `maximum_nsfw_score` is asked of both NSFW detectors.
    """

    kind: Literal["coyo"]
    minimum_similarity: float | None = Field(default=None, ge=-1, le=1)
    similarity_model: Literal["vitb32", "vitl14"] = "vitb32"
    maximum_nsfw_score: float | None = _Score
    maximum_watermark_score: float | None = _Score
    minimum_aesthetic_score: float | None = Field(default=None, allow_inf_nan=False)
    minimum_width: int | None = Field(default=None, ge=1)
    minimum_height: int | None = Field(default=None, ge=1)

    @property
    def label(self) -> str:
        return self.name or "coyo"

    @property
    def filters(self) -> tuple[Filter, ...]:
        similarity = f"clip_similarity_{self.similarity_model}"
        aesthetic = "aesthetic_score_laion_v2"
        return (
            at_least("minimum_similarity", self.minimum_similarity, similarity),
            at_most("maximum_nsfw_score", self.maximum_nsfw_score, "nsfw_score_opennsfw2"),
            at_most("maximum_nsfw_score", self.maximum_nsfw_score, "nsfw_score_gantman"),
            at_most("maximum_watermark_score", self.maximum_watermark_score, "watermark_score"),
            at_least("minimum_aesthetic_score", self.minimum_aesthetic_score, aesthetic),
            at_least("minimum_width", self.minimum_width, "width"),
            at_least("minimum_height", self.minimum_height, "height"),
        )

    def read(self, spark: SparkSession) -> DataFrame:
        frame = load(spark.read, "parquet", self.path, self.label)
        text = required(frame, self.place, "the caption", "text")
        frame = filtered(frame, self.filters, self.keep_missing, self.place)
        row_id, image = whole_number(frame, "id"), optional(frame, "url")
        return data_set_rows(frame, row_id, text, image, ("id", "url", "text"))
