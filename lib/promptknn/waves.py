"""Waves: a stage's missing rows, cut by ranges of a hash key, each written before the next.

A key that is a hash (prompt_id, image_id) is spread evenly, so that a range of it is a bucket; and
what a killed run left lies in the range that it had not reached, which is what the next one cuts.
Since a wave's files hold just its range, Delta's statistics skip all other files when the wave is
merged. A killed job loses one wave at most.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

_DIGITS = 8


@dataclass(frozen=True)
class Missing:
    """How many rows are missing, and between which keys they lie; None where there are none."""

    rows: int
    smallest: str | None
    largest: str | None

    @classmethod
    def of(cls, frame: DataFrame, column: str) -> "Missing":
        """Count the rows of a frame, and look for the ends of a hex column, in one pass."""
        found = frame.agg(F.count(F.lit(1)), F.min(column), F.max(column)).collect()[0]
        return cls(*found)


@dataclass(frozen=True)
class Wave:
    """Keys from `low` (included) up to `high` (not included; None: no end)."""

    low: str
    high: str | None

    def condition(self, column: str) -> str:
        """Give the wave as an SQL condition on a hex column."""
        condition = f"{column} >= '{self.low}'"
        return condition if self.high is None else f"{condition} AND {column} < '{self.high}'"


def plan_waves(missing: Missing, rows_per_wave: int) -> Iterator[Wave]:
    """Cut the range of the missing keys into equal ones of about `rows_per_wave` rows.

    Args:
        missing: the rows; none of them give no wave.
        rows_per_wave: how many one wave should hold.
    """
    if missing.smallest is None or missing.largest is None:
        return
    waves = -(-missing.rows // rows_per_wave)
    first, last = (int(key[:_DIGITS], 16) for key in (missing.smallest, missing.largest))
    yield from _cut(first, last + 1, waves, None)


def smallest_waves(rows: int, wanted: int, rows_per_wave: int) -> list[Wave]:
    """Cut the range of the smallest keys, which holds few more than are wanted.

    Args:
        rows: how many keys there are; they are hashes.
        wanted: at least so many lie in the waves, but for a chance in billions.
        rows_per_wave: about how many one wave should hold.
    """
    enough = min(wanted + 7 * math.sqrt(wanted) + 50, rows)
    waves = max(1, math.ceil(enough / rows_per_wave))
    end = int(16**_DIGITS * enough / max(rows, 1))
    return _cut(0, end, waves, f"{end:0{_DIGITS}x}" if enough < rows else None)


def smallest_keys(column: str, rows: int, wanted: int) -> str:
    """Give an SQL condition on a hex column that the smallest keys meet, and few others.

    Args:
        column: whose keys are hashes.
        rows: how many there are.
        wanted: at least so many meet it, but for a chance in billions.
    """
    (wave,) = smallest_waves(rows, wanted, max(rows, 1))
    return wave.condition(column)


def _cut(first: int, end: int, waves: int, high: str | None) -> list[Wave]:
    """Cut a range into equal ones; `high` is that of the last."""
    edges = [f"{first + (end - first) * n // waves:0{_DIGITS}x}" for n in range(waves)]
    # Of no waves `high` is left over.
    return [Wave(*ends) for ends in zip(edges, [*edges[1:], high], strict=False)]
