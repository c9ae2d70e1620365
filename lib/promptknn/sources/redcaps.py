"""RedCaps' annotations: files <subreddit>_<year>.json of {"info": …, "annotations": [{…}]}."""

from typing import Literal

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promptknn.errors import MissingInputError
from promptknn.sources.data_set import DataSet, data_set_rows
from promptknn.sources.filters import Filter, at_least, filtered
from promptknn.sources.reading import load

_SCHEMA = (
    "annotations array<struct<image_id: string, author: string, url: string, raw_caption: string, "
    "caption: string, subreddit: string, score: bigint, created_utc: bigint, permalink: string, "
    "crosspost_parents: array<string>>>"
)


class RedCapsSource(DataSet):
    """Titles of pictures on Reddit: `caption` is cleaned by RedCaps, `raw_caption` as posted.

    The files are JSON, whose names are read as RedCaps spells them. `minimum_score` (upvotes less
    downvotes) is asked after a file is read: JSON has no statistics to skip anything by.
    """

    kind: Literal["redcaps"]
    caption: Literal["caption", "raw_caption"] = "caption"
    minimum_score: int | None = None

    @property
    def label(self) -> str:
        return self.name or "redcaps"

    @property
    def filters(self) -> tuple[Filter, ...]:
        return (at_least("minimum_score", self.minimum_score, "score"),)

    def read(self, spark: SparkSession) -> DataFrame:
        files = load(
            spark.read.schema(_SCHEMA), "json", self.path, self.label, {"multiLine": "true"}
        )
        self._check(files)
        frame = files.select(F.explode("annotations").alias("a")).select("a.*")
        frame = filtered(frame, self.filters, self.keep_missing, self.place)
        row_id, text, image = F.col("image_id"), F.col(self.caption), F.col("url")
        return data_set_rows(frame, row_id, text, image, ("image_id", self.caption, "url"))

    def _check(self, files: DataFrame) -> None:
        """Look for a file without captions: exploding would pass over it in silence."""
        captions = F.filter(
            F.transform("annotations", lambda a: a[self.caption]), lambda c: c.isNotNull()
        )
        empty = (F.size("annotations") > 0) & (F.size(captions) == 0)
        bad = files.where(F.col("annotations").isNull() | empty)
        found = bad.select("_metadata.file_path").limit(1).collect()
        if found:
            raise MissingInputError(
                f"Source '{self.label}': {found[0].file_path} holds no `annotations` with "
                f"`{self.caption}`: give files as RedCaps publishes them, or set `path` so that "
                f"it names those alone."
            )
