from functools import reduce
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promptknn.lake import Lake
from promptknn.removal.affected import affected_rows, counts_of
from promptknn.table import Table
from promptknn.tables import NEAR_DUPLICATES, PREDICTIONS, PROMPTS, RAW_PROMPTS
from tests.rows import add_rows

GONE, LEFT, RED, BLUE = ("0" * 32, "1" * 32, "2" * 32, "3" * 32)
Affected = list[tuple[Table, DataFrame]]


@pytest.fixture(scope="module")
def filled(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Predictions of four images, near duplicates, prompts and raw rows, and no other table."""
    lake = Lake(spark, str(tmp_path_factory.mktemp("affected") / "lake"), "filled")
    lake.create([PREDICTIONS, NEAR_DUPLICATES, PROMPTS, RAW_PROMPTS])
    # image_id and settings_hash, image_uri, and the ids of neighbours.
    predicted = {
        ("both", "h"): (f"/p/00/{GONE}-0.png", (LEFT, GONE)),
        ("picture", "h"): (f"/p/00/{GONE}-12.png", (LEFT,)),
        ("photo", "h"): ("/photo-1.png", (GONE, LEFT)),
        ("photo", "other"): ("/photo-1.png", (LEFT, GONE)),
        ("neither", "h"): (f"/p/11/{LEFT}-0.png", (LEFT,)),
    }
    predictions = [
        {
            "image_id": image,
            "settings_hash": settings,
            "image_uri": uri,
            "neighbours": [(rank, name, "x", 0.5) for rank, name in enumerate(names, 1)],
        }
        for (image, settings), (uri, names) in predicted.items()
    ]
    add_rows(lake, PREDICTIONS, predictions)
    near = [(GONE, 0.5, LEFT), (RED, 0.5, GONE), (RED, 0.8, LEFT), (BLUE, 0.5, LEFT)]
    names = ("prompt_id", "threshold", "kept_prompt_id", "similarity")
    add_rows(lake, NEAR_DUPLICATES, [dict(zip(names, (*row, 0.95), strict=True)) for row in near])
    raw = [{"source": source, "source_row_id": row} for source, row in ("a1", "a2", "b1")]
    add_rows(lake, RAW_PROMPTS, raw)
    ids = (GONE, LEFT)
    add_rows(lake, PROMPTS, [{**raw[n], "prompt_id": name} for n, name in enumerate(ids)])
    return lake


def affected(lake: Lake, ids: list[str], rows: list[tuple[str, str]]) -> Affected:
    named = lake.spark.createDataFrame([(name,) for name in ids], "prompt_id string")
    keys = lake.spark.createDataFrame(rows, "source string, source_row_id string")
    return affected_rows(lake, named, keys)


def keys_of(found: Affected) -> list[tuple[str, str]]:
    named = [keys.select(F.lit(table.name), F.concat_ws(" ", *table.key)) for table, keys in found]
    return sorted(tuple(row) for row in reduce(DataFrame.union, named).collect())


def test_each_row_that_names_a_removed_prompt_is_found_once_and_raw_rows_last(filled: Lake) -> None:
    found = affected(filled, [GONE], [("a", "1")])
    assert [table for table, _ in found] == [PREDICTIONS, NEAR_DUPLICATES, PROMPTS, RAW_PROMPTS]
    assert keys_of(found) == [
        ("near_duplicates", f"{GONE} x 0.5"), ("near_duplicates", f"{RED} x 0.5"),
        ("predictions", "both h"), ("predictions", "photo h"), ("predictions", "photo other"),
        ("predictions", "picture h"), ("prompts", GONE), ("raw_prompts", "a 1"),
    ]  # fmt: skip


def test_tables_that_lose_nothing_are_not_counted(spark: SparkSession) -> None:
    found = [
        (PREDICTIONS, spark.range(2)),
        (PROMPTS, spark.range(0)),
        (RAW_PROMPTS, spark.range(1)),
    ]
    assert counts_of(found) == {"predictions": 2, "raw_prompts": 1}


def test_a_lake_without_tables_loses_nothing(spark: SparkSession, tmp_path: Path) -> None:
    found = affected(Lake(spark, str(tmp_path / "empty"), "empty"), [GONE], [("a", "1")])
    assert found == []
    assert counts_of(found) == {}
