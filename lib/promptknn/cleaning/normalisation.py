"""Normalisation: Unicode NFC and single spaces."""

import unicodedata
from collections.abc import Iterator
from typing import cast

import pandas as pd
from pyspark.sql import Column
from pyspark.sql.pandas.functions import pandas_udf


def normalise(text: str) -> str:
    """Compose Unicode (NFC) and make every run of white space one space.

    `normalise` of a normalised text is that text.
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


def normalised(text: Column) -> Column:
    """Normalise a string column; null stays null."""
    udf = pandas_udf(_normalise_batches, "string")  # type: ignore[call-overload]
    return cast(Column, udf(text))


def _normalise_batches(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    for texts in batches:
        yield texts.map(normalise, na_action="ignore")
