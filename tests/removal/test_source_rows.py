import pytest
from pyspark.sql import DataFrame, SparkSession

from promptknn.deduplication.exact import prompt_id
from promptknn.lake import Lake
from promptknn.removal.source_rows import other_ids, source_rows, with_own_id
from promptknn.tables import PROMPTS, RAW_PROMPTS, REJECTED_PROMPTS
from tests.rows import add_rows

FOX, DOG, CAT = (prompt_id(text) for text in ("a fox", "a dog", "a cat"))
# As if `cleaning.vocabulary` had dropped a term of each fox, and of the dog.
TEXTS = {
    "1": "a fox xqzw", "2": "a fox wzqx", "3": "a  fox\nxqzw", "4": "a cat", "5": "a long road",
    "6": "a fox qqq", "7": "a dog xqzw",
}  # fmt: skip
CLEAN = {"1": FOX, "4": CAT, "7": DOG}
REFUSED = {
    "2": ("exact_duplicate", FOX), "3": ("exact_duplicate", FOX), "5": ("too_long", DOG),
    "6": ("removed_prompt", FOX),
}  # fmt: skip


@pytest.fixture(scope="module")
def cleaned(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(spark, str(tmp_path_factory.mktemp("source-rows") / "lake"), "cleaned")
    raw = [{"source": "s", "source_row_id": row, "text": text} for row, text in TEXTS.items()]
    add_rows(lake, RAW_PROMPTS, raw)
    prompts = [{"source": "s", "source_row_id": row, "prompt_id": i} for row, i in CLEAN.items()]
    add_rows(lake, PROMPTS, prompts)
    refused = [
        {"source": "s", "source_row_id": row, "reason": reason, "detail": detail}
        for row, (reason, detail) in REFUSED.items()
    ]
    add_rows(lake, REJECTED_PROMPTS, refused)
    return lake


def named(lake: Lake, *ids: str) -> DataFrame:
    return lake.spark.createDataFrame([(name,) for name in ids], "prompt_id string")


def by_text(lake: Lake, ids: DataFrame) -> DataFrame:
    return with_own_id(lake.read_or_empty(RAW_PROMPTS)).join(ids, "prompt_id", "left_semi")


def ids_of(frame: DataFrame) -> set[str]:
    return {row.prompt_id for row in frame.collect()}


def rows_of(frame: DataFrame) -> list[str]:
    return sorted(row.source_row_id for row in frame.collect())


def test_a_row_is_named_by_its_normalised_text_and_one_without_a_text_is_not(
    spark: SparkSession,
) -> None:
    texts = [("a", " a\tcafe\u0301 "), ("b", "a caf\u00e9"), ("c", "A caf\u00e9"), ("d", None)]
    rows = [("s", *row) for row in texts]
    # Each row alone: workers see batches without any text too.
    raw = spark.createDataFrame(rows, "source string, source_row_id string, text string")
    found = with_own_id(raw.repartition(len(rows))).collect()
    same = prompt_id("a caf\u00e9")
    expected = {"a": same, "b": same, "c": prompt_id("A caf\u00e9")}
    assert {row.source_row_id: row.prompt_id for row in found} == expected


def test_rows_that_were_cleaned_to_one_prompt_share_their_ids(cleaned: Lake) -> None:
    foxes = {FOX, *(prompt_id(TEXTS[row]) for row in "126")}
    chosen = {prompt_id(TEXTS["2"]), DOG}
    ids = named(cleaned, *chosen)
    every = chosen | ids_of(other_ids(cleaned, ids, by_text(cleaned, ids)))
    assert every == {*foxes, DOG, prompt_id(TEXTS["7"])}
    ids = named(cleaned, *every)
    assert rows_of(source_rows(cleaned, ids, by_text(cleaned, ids))) == ["1", "2", "3", "6", "7"]


def test_a_row_that_was_refused_otherwise_is_found_by_its_text_alone(cleaned: Lake) -> None:
    ids = named(cleaned, prompt_id(TEXTS["5"]), CAT)
    assert rows_of(source_rows(cleaned, ids, by_text(cleaned, ids))) == ["4", "5"]


def test_an_empty_lake_has_no_rows(lake: Lake) -> None:
    ids = named(lake, FOX)
    others = other_ids(lake, ids, by_text(lake, ids))
    assert rows_of(source_rows(lake, ids.union(others), by_text(lake, ids))) == []
