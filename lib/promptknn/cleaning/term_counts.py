"""Which terms prompts hold, and how many prompts hold a term."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.cleaning.normalisation import normalise
from promptknn.cleaning.reasons import NO_KNOWN_TERMS, UNKNOWN_TERM
from promptknn.cleaning.terms import distinct_terms, term_counts
from promptknn.lake import Lake
from promptknn.tables import PROMPTS, REJECTED_PROMPTS

_FOUND = "term string, at timestamp, number bigint"


def terms_in(texts: DataFrame) -> DataFrame:
    """Find the terms of normalised texts.

    Args:
        texts: one column of text.

    Returns:
        term; once a task, so that the same may come again.
    """
    return texts.mapInArrow(_distinct, "term string")


def counted_texts(lake: Lake) -> DataFrame:
    """Give the texts whose terms are counted: of kept prompts, and of those refused for terms.

    Returns:
        text, which may not be normalised, and at, when it was cleaned.
    """
    refused = lake.read(REJECTED_PROMPTS).where(F.col("reason").isin(NO_KNOWN_TERMS, UNKNOWN_TERM))
    kept = lake.read(PROMPTS).selectExpr("original_text AS text", "cleaned_at AS at")
    return kept.union(refused.selectExpr("text", "rejected_at AS at"))


def found_terms(texts: DataFrame) -> DataFrame:
    """Find the terms of `counted_texts`.

    Returns:
        term, at and number: how many of some texts hold the term. The same term and time may come
        again, with others.
    """
    return texts.select("text", "at").mapInArrow(_find, _FOUND)


def _distinct(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    terms: set[str] = set()
    for batch in batches:
        terms |= distinct_terms(batch.column(0).to_pylist())
    yield pa.RecordBatch.from_pydict({"term": pa.array(terms, pa.string())})


def _find(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        # All rows of one run of the stage have one time.
        for at in pc.unique(batch.column("at")):
            texts = batch.column("text").filter(pc.equal(batch.column("at"), at)).to_pylist()
            counts = term_counts(map(normalise, texts))
            yield pa.RecordBatch.from_pydict({
                "term": pa.array(counts.keys(), pa.string()),
                "at": pa.repeat(at, len(counts)),
                "number": pa.array(counts.values(), pa.int64()),
            })  # fmt: skip
