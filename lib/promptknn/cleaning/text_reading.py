"""Reading raw texts inside Spark's workers: normalised, their languages named, their terms found.

One function for all of it: where a task has two in a row, each has a Python worker of its own.
"""

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import ArrayType, FloatType, StringType, StructType

from promptknn.cleaning.language import identify
from promptknn.cleaning.normalisation import normalise
from promptknn.cleaning.vocabulary import terms_of


def read_texts(raw: DataFrame, with_terms: bool = False) -> DataFrame:
    """Read raw texts.

    Args:
        raw: text and other columns.
        with_terms: whether the vocabulary rule asks for terms.

    Returns:
        The other columns, original_text, text (normalised; null stays null), language and score;
        with terms also these, as `terms_of` finds them: array<string>.
    """
    found = raw.withColumnRenamed("text", "original_text")
    schema = StructType([*found.schema])
    schema.add("text", StringType()).add("language", StringType()).add("score", FloatType())
    if with_terms:
        schema.add("terms", ArrayType(StringType()))
    return found.mapInArrow(_reading(with_terms), schema)


def _reading(
    with_terms: bool,
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            raw = batch.column("original_text").to_pylist()
            texts = [None if text is None else normalise(text) for text in raw]
            found = [identify(text or "") for text in texts]
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            columns["text"] = pa.array(texts, pa.string())
            columns["language"] = pa.array([language for language, _ in found], pa.string())
            columns["score"] = pa.array([score for _, score in found], pa.float32())
            if with_terms:
                columns["terms"] = _terms(texts)
            yield pa.RecordBatch.from_pydict(columns)

    return read


def _terms(texts: Iterable[str | None]) -> pa.ListArray:
    # One list for all texts: Python would look through ten thousand for garbage.
    terms: list[str] = []
    ends = [0]
    for text in texts:
        terms += terms_of(text or "")
        ends.append(len(terms))
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(terms, pa.string()))
