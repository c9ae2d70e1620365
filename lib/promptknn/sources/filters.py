"""Filters that settings put on a data set's columns, written so that Spark pushes them to the scan.

A row whose value is missing (null, or NaN) cannot show that it passes, so a filter leaves it out:
an image of unknown NSFW class is not a safe one. `keep_missing` keeps such rows. Filtered rows are
the user's choice of data, and no rejects: they never come into raw_prompts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DoubleType, FloatType, NumericType

from promptknn.errors import MissingInputError
from promptknn.sources.source import find_column
from promptknn.table import quoted

_Bound = float | tuple[str, ...] | None


@dataclass(frozen=True)
class Filter:
    """One condition on one column; `bound` None lets every row pass.

    Attributes:
        setting: the key in the settings, for messages.
        columns: names the column may have; the first one that is there counts.
        relation: how the value must stand to the bound.
        bound: a number, or the values allowed.
    """

    setting: str
    columns: tuple[str, ...]
    relation: Literal["at least", "at most", "one of"]
    bound: _Bound


def at_least(setting: str, bound: float | None, *columns: str) -> Filter:
    """Keep values of `bound` and more."""
    return Filter(setting, columns, "at least", bound)


def at_most(setting: str, bound: float | None, *columns: str) -> Filter:
    """Keep values of `bound` and less."""
    return Filter(setting, columns, "at most", bound)


def one_of(setting: str, allowed: tuple[str, ...] | None, *columns: str) -> Filter:
    """Keep the allowed texts, letter for letter."""
    return Filter(setting, columns, "one of", allowed)


def filtered(
    frame: DataFrame, filters: Sequence[Filter], keep_missing: bool, place: str
) -> DataFrame:
    """Keep the rows that pass every filter.

    Args:
        frame: rows as found.
        filters: those whose bound is None are skipped.
        keep_missing: keep rows whose value is null or NaN. "Is NaN" cannot be pushed down, so that
            a floating-point column is then judged after the scan.
        place: the source and its file, for messages.

    Raises:
        MissingInputError: a column that a filter needs is not there.
    """
    for each in filters:
        if each.bound is None:
            continue
        name = find_column(frame, each.columns)
        if name is None:
            names = "' or '".join(each.columns)
            raise MissingInputError(
                f"{place} has no column '{names}', by which `{each.setting}` chooses rows: "
                f"remove that setting, or give files that have it."
            )
        frame = frame.where(_condition(each, name, frame.schema[name].dataType, keep_missing))
    return frame


def _condition(filter_: Filter, name: str, type_: DataType, keep_missing: bool) -> Column:
    value = F.col(quoted(name))
    if isinstance(filter_.bound, tuple):
        passes = value.isin(*filter_.bound)
        return passes | value.isNull() if keep_missing else passes
    if not isinstance(type_, NumericType):
        # Numbers that a release holds as texts are no reason to stop.
        value, type_ = value.try_cast("double"), DoubleType()
    bound = F.lit(filter_.bound)
    if isinstance(type_, FloatType):
        # Compared as double, a stored 0.7 would be less than 0.7.
        bound = bound.cast("float")
    passes = value >= bound if filter_.relation == "at least" else value <= bound
    is_floating = isinstance(type_, FloatType | DoubleType)
    if keep_missing:
        return passes | value.isNull() | F.isnan(value) if is_floating else passes | value.isNull()
    # Spark orders NaN above every number.
    return passes & ~F.isnan(value) if is_floating else passes
