"""Reading raw texts inside Spark's workers: normalised, their languages named.

One function for both: where a task has two in a row, each has a Python worker of its own.
"""

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import FloatType, StringType, StructType

from promptknn.cleaning.language import identify
from promptknn.cleaning.normalisation import normalise


def read_texts(raw: DataFrame) -> DataFrame:
    """Read raw texts.

    Args:
        raw: text and other columns.

    Returns:
        The other columns, original_text, text (normalised; null stays null), language and score.
    """
    found = raw.withColumnRenamed("text", "original_text")
    schema = StructType([*found.schema])
    schema.add("text", StringType()).add("language", StringType()).add("score", FloatType())
    return found.mapInArrow(_read, schema)


def _read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        raw = batch.column("original_text").to_pylist()
        texts = [None if text is None else normalise(text) for text in raw]
        found = [identify(text or "") for text in texts]
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        columns["text"] = pa.array(texts, pa.string())
        columns["language"] = pa.array([language for language, _ in found], pa.string())
        columns["score"] = pa.array([score for _, score in found], pa.float32())
        yield pa.RecordBatch.from_pydict(columns)
