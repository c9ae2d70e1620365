from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from promptknn.errors import MissingInputError
from promptknn.sources.filters import Filter, at_least, at_most, filtered, one_of
from tests.sources.published import NAN, pushed_filters, write

COLUMNS = {
    "n": pa.array([1, 2, 3, 4, 5, 6]),
    "Score": pa.array([0.7, NAN, 0.1, None, 0.9, 0.2], pa.float32()),
    "exact": pa.array([0.7, NAN, 0.1, None, 0.9, 0.2], pa.float64()),
    "width": pa.array([64, 512, None, 128, 256, 32], pa.int32()),
    "written": pa.array(["0.7", "?", "0.1", None, "0.9", "0.2"]),
    "NSFW": pa.array(["UNLIKELY", "UNSURE", "NSFW", None, "unlikely", "UNLIKELY"]),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "rows.parquet", COLUMNS)


@pytest.mark.parametrize(
    ("chosen", "kept", "kept_or_missing"),
    [
        (at_least("s", 0.7, "score"), {1, 5}, {1, 2, 4, 5}),
        (at_least("s", 0.7, "exact"), {1, 5}, {1, 2, 4, 5}),
        (at_most("s", 0.2, "score"), {3, 6}, {2, 3, 4, 6}),
        (at_most("s", 0.2, "exact"), {3, 6}, {2, 3, 4, 6}),
        (at_least("s", 0.7, "written"), {1, 5}, {1, 2, 4, 5}),
        (at_least("s", 128, "width"), {2, 4, 5}, {2, 3, 4, 5}),
        (at_most("s", 127.5, "width"), {1, 6}, {1, 3, 6}),
        (one_of("s", ("UNLIKELY",), "nsfw"), {1, 6}, {1, 4, 6}),
        (one_of("s", ("UNLIKELY", "UNSURE"), "nsfw"), {1, 2, 6}, {1, 2, 4, 6}),
    ],
)
def test_missing_values_pass_only_where_they_are_kept(
    spark: SparkSession, path: Path, chosen: Filter, kept: set[int], kept_or_missing: set[int]
) -> None:
    frame = spark.read.parquet(str(path))
    strictly = filtered(frame, [chosen], keep_missing=False, place="Source 'x'")
    assert {row.n for row in strictly.collect()} == kept
    loosely = filtered(frame, [chosen], keep_missing=True, place="Source 'x'")
    assert {row.n for row in loosely.collect()} == kept_or_missing


def test_conditions_without_a_bound_let_all_rows_pass(spark: SparkSession, path: Path) -> None:
    frame = spark.read.parquet(str(path))
    filters = [at_least("s", None, "score"), one_of("s", None, "absent")]
    assert filtered(frame, filters, keep_missing=False, place="").count() == 6


def test_conditions_reach_the_scan(spark: SparkSession, path: Path) -> None:
    frame = spark.read.parquet(str(path))
    filters = [
        at_least("s", 0.3, "score"),
        at_most("s", 0.8, "exact"),
        at_least("s", 64, "width"),
        one_of("s", ("UNLIKELY", "UNSURE"), "nsfw"),
    ]
    pushed = pushed_filters(filtered(frame, filters, keep_missing=False, place=""))
    for condition in (
        "GreaterThanOrEqual(Score,0.3)",
        "LessThanOrEqual(exact,0.8)",
        "GreaterThanOrEqual(width,64)",
        "In(NSFW, [UNLIKELY,UNSURE])",
    ):
        assert condition in pushed
    kept = pushed_filters(filtered(frame, filters[2:3], keep_missing=True, place=""))
    assert "Or(GreaterThanOrEqual(width,64),IsNull(width))" in kept


def test_column_that_a_filter_needs_is_named(spark: SparkSession, path: Path) -> None:
    wanted = at_least("minimum_width", 64, "original_width", "breadth")
    with pytest.raises(
        MissingInputError,
        match=r"Source 'x' has no column 'original_width' or 'breadth', by which `minimum_width`",
    ):
        filtered(spark.read.parquet(str(path)), [wanted], keep_missing=False, place="Source 'x'")
