"""Plain files: csv, tsv, parquet, json, jsonl and txt, of prompts or of long documents."""

from pathlib import PurePosixPath
from typing import Literal

from pydantic import model_validator
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promptknn.errors import MissingInputError
from promptknn.locations import PathLocation
from promptknn.sources.reading import load
from promptknn.sources.source import Source, prompt_rows
from promptknn.sources.splitting import SplitSettings, split_rows

Format = Literal["csv", "tsv", "parquet", "json", "jsonl", "txt"]
_FORMATS: dict[str, Format] = {
    "csv": "csv", "tsv": "tsv", "parquet": "parquet", "json": "json", "jsonl": "jsonl",
    "ndjson": "jsonl", "txt": "txt", "text": "txt",
}  # fmt: skip


class FileSource(Source):
    """A file, a folder or a glob of files of one format; `json` is one array of objects a file.

    With `split` each text is a document, and its sentences become the rows. A line of a txt file is
    a text of its own; with `whole_text` the file is, so that sentences may run over lines.
    """

    kind: Literal["file"]
    path: PathLocation
    format: Format | None = None
    text_column: str = "text"
    id_column: str | None = None
    image_column: str | None = None
    split: SplitSettings | None = None
    whole_text: bool = False

    @model_validator(mode="after")
    def _whole_texts_are_txt(self) -> "FileSource":
        if self.whole_text and self._format != "txt":
            raise ValueError("whole_text is for txt files alone: remove it, or set `format: txt`")
        return self

    @property
    def label(self) -> str:
        return self.name or PurePosixPath(self.path).stem

    def read(self, spark: SparkSession) -> DataFrame:
        frame = self._load(spark)
        place = f"Source '{self.label}' ({self.path})"
        rows = prompt_rows(frame, place, self.text_column, self.id_column, self.image_column)
        return split_rows(rows, self.split) if self.split else rows

    @property
    def _format(self) -> Format | None:
        return self.format or _FORMATS.get(PurePosixPath(self.path).suffix[1:].lower())

    def _load(self, spark: SparkSession) -> DataFrame:
        format_ = self._format
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
            return self._load_text(spark)
        return load(spark.read, "parquet", self.path, self.label)

    def _load_text(self, spark: SparkSession) -> DataFrame:
        if not self.whole_text:
            lines = load(spark.read, "text", self.path, self.label)
            return lines.withColumnRenamed("value", self.text_column)
        files = load(spark.read, "text", self.path, self.label, {"wholetext": "true"})
        return files.select(F.col("value").alias(self.text_column), "_metadata.file_name")
