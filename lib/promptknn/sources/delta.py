"""A Delta table, by path or by name in a catalog."""

from typing import Literal

from pyspark.sql import DataFrame, SparkSession

from promptknn.locations import Location
from promptknn.sources.reading import table_or_path
from promptknn.sources.source import Source, prompt_rows


class DeltaSource(Source):
    """A Delta table; without `id_column` its rows are told apart by their text."""

    kind: Literal["delta"]
    table: Location
    text_column: str = "text"
    id_column: str | None = None
    image_column: str | None = None

    @property
    def label(self) -> str:
        return self.name or self.table.rstrip("/").split("/")[-1]

    def read(self, spark: SparkSession) -> DataFrame:
        frame = table_or_path(spark, self.table, self.label)
        place = f"Source '{self.label}' ({self.table})"
        return prompt_rows(frame, place, self.text_column, self.id_column, self.image_column)
