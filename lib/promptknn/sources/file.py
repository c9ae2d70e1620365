"""Plain files: csv, tsv, parquet, json, jsonl and txt."""

from pathlib import PurePosixPath
from typing import Literal

from pyspark.sql import DataFrame, SparkSession

from promptknn.errors import MissingInputError
from promptknn.locations import Location
from promptknn.sources.reading import load
from promptknn.sources.source import Source, prompt_rows

Format = Literal["csv", "tsv", "parquet", "json", "jsonl", "txt"]
_FORMATS: dict[str, Format] = {
    "csv": "csv", "tsv": "tsv", "parquet": "parquet", "json": "json", "jsonl": "jsonl",
    "ndjson": "jsonl", "txt": "txt", "text": "txt",
}  # fmt: skip


class FileSource(Source):
    """A file, a folder or a glob of files of one format; `json` is one array of objects a file."""

    kind: Literal["file"]
    path: Location
    format: Format | None = None
    text_column: str = "text"
    id_column: str | None = None
    image_column: str | None = None

    @property
    def label(self) -> str:
        return self.name or PurePosixPath(self.path).stem

    def read(self, spark: SparkSession) -> DataFrame:
        frame = self._load(spark)
        place = f"Source '{self.label}' ({self.path})"
        return prompt_rows(frame, place, self.text_column, self.id_column, self.image_column)

    def _load(self, spark: SparkSession) -> DataFrame:
        format_ = self.format or _FORMATS.get(PurePosixPath(self.path).suffix[1:].lower())
        if format_ is None:
            raise MissingInputError(
                f"Source '{self.label}': the format of {self.path} cannot be told from its name: "
                f"set `format` to one of {', '.join(sorted(set(_FORMATS.values())))}."
            )
        if format_ in ("csv", "tsv"):
            separator = "," if format_ == "csv" else "\t"
            options = {"header": "true", "sep": separator, "multiLine": "true", "escape": '"'}
            return load(spark.read, "csv", self.path, self.label, options)
        if format_ in ("json", "jsonl"):
            options = {"multiLine": "true"} if format_ == "json" else {}
            return load(spark.read, "json", self.path, self.label, options)
        if format_ == "txt":
            return load(spark.read, "text", self.path, self.label).withColumnRenamed(
                "value", self.text_column
            )
        return load(spark.read, "parquet", self.path, self.label)
