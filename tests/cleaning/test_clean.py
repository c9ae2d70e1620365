import io
import json
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, Row, SparkSession
from rich.console import Console

from promptknn.cleaning.clean import CleanPrompts
from promptknn.cleaning.normalisation import normalise
from promptknn.deduplication.exact import prompt_id
from promptknn.lake import Lake
from promptknn.settings import Settings
from promptknn.stage import Context, Counts
from promptknn.table import Table
from promptknn.tables import PROMPT_TERMS, PROMPTS, RAW_PROMPTS, REJECTED_PROMPTS
from tests.hostile_texts import hostile_texts
from tests.rows import add_raw, add_raw_rows, ids_of

TEXTS = (
    "a zebra on grass", "a zebra  on\ngrass", "a cat on a sofa", None, "", "NaN", "https://a.org/x",
    "ein Zebra steht auf einer grünen Wiese", "a cat on a sofa", "12345", "a café", "a cafe\u0301",
)  # fmt: skip


class LakeKilledBefore(Lake):
    """Stands for a job that is killed between its two tables."""

    def insert(self, table: Table, rows: DataFrame, within: str | None = None) -> int:
        if table is REJECTED_PROMPTS:
            raise KeyboardInterrupt
        return super().insert(table, rows, within)


def clean(lake: Lake) -> Counts:
    context = Context(lake.spark, lake, Settings(), lambda done, total: None)
    return CleanPrompts().run(context)


def rows_of(lake: Lake, table: Table) -> list[Row]:
    return lake.read(table).drop("run_id", "cleaned_at", "rejected_at").collect()


def assert_counts_add_up(lake: Lake) -> None:
    keys = {
        table.name: Counter((row.source, row.source_row_id) for row in rows_of(lake, table))
        for table in (RAW_PROMPTS, PROMPTS, REJECTED_PROMPTS)
    }
    assert keys["prompts"] + keys["rejected_prompts"] == keys["raw_prompts"]


@dataclass(frozen=True)
class Cleaned:
    lake: Lake
    counts: Counts


@pytest.fixture(scope="module")
def cleaned(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Cleaned:
    lake = Lake(spark, str(tmp_path_factory.mktemp("cleaned") / "lake"), "first-run")
    add_raw(lake, "captions", TEXTS)
    return Cleaned(lake, clean(lake))


def test_every_raw_row_ends_in_one_table_for_one_reason(cleaned: Cleaned) -> None:
    lake, counts = cleaned.lake, cleaned.counts
    assert_counts_add_up(lake)
    assert (counts.rows_in, counts.rows_out, counts.rows_rejected) == (12, 3, 9)
    kept = {row.text: row for row in rows_of(lake, PROMPTS)}
    assert set(kept) == {"a zebra on grass", "a cat on a sofa", "a caf\u00e9"}
    assert kept["a cat on a sofa"].source_row_id == "0002"
    assert Counter(row.reason for row in rows_of(lake, REJECTED_PROMPTS)) == {
        "empty": 2, "no_value": 1, "url_only": 1, "other_language": 1, "no_letters": 1,
        "exact_duplicate": 3,
    }  # fmt: skip
    assert not lake.exists(PROMPT_TERMS)


def test_exact_duplicate_names_the_prompt_that_was_kept(cleaned: Cleaned) -> None:
    kept = {row.prompt_id: row.text for row in rows_of(cleaned.lake, PROMPTS)}
    refused = rows_of(cleaned.lake, REJECTED_PROMPTS)
    repeats = [row for row in refused if row.reason == "exact_duplicate"]
    assert {(row.text, kept[row.detail]) for row in repeats} == {
        ("a zebra  on\ngrass", "a zebra on grass"),
        ("a cat on a sofa", "a cat on a sofa"),
        ("a cafe\u0301", "a caf\u00e9"),
    }


def test_what_was_rejected_is_shown_by_reason(cleaned: Cleaned) -> None:
    said = io.StringIO()
    Console(file=said, width=80).print(cleaned.counts.details)
    shown = re.findall(r"(\w+) *│ *(\d+) *│", said.getvalue())
    refused = Counter(row.reason for row in rows_of(cleaned.lake, REJECTED_PROMPTS))
    assert {reason: int(rows) for reason, rows in shown} == refused
    assert shown[0][0] == "exact_duplicate"


def test_rerun_adds_no_rows(cleaned: Cleaned) -> None:
    tables = (PROMPTS, REJECTED_PROMPTS)
    versions = [cleaned.lake.version(table) for table in tables]
    again = clean(cleaned.lake)
    assert (again.rows_in, again.rows_out, again.rows_rejected) == (0, 0, 0)
    assert again.message == "nothing new, 3 prompts"
    assert [cleaned.lake.version(table) for table in tables] == versions


def test_increment_never_turns_out_a_kept_prompt(cleaned: Cleaned, lake: Lake) -> None:
    shutil.copytree(cleaned.lake.location, lake.location)
    before = rows_of(lake, PROMPTS)
    # This source sorts before the other, and repeats one of its prompts.
    add_raw(lake, "a newer source", ["a zebra on grass", "a dog by the sea"])
    counts = clean(lake)
    assert (counts.rows_in, counts.rows_out, counts.rows_rejected) == (2, 1, 1)
    after = rows_of(lake, PROMPTS)
    assert all(row in after for row in before)
    assert len(after) == len(before) + 1
    (refused,) = [row for row in rows_of(lake, REJECTED_PROMPTS) if row.source != "captions"]
    kept = next(row for row in before if row.text == "a zebra on grass")
    assert (refused.reason, refused.detail) == ("exact_duplicate", kept.prompt_id)
    assert_counts_add_up(lake)


def test_killed_run_ends_in_the_same_rows_when_run_again(cleaned: Cleaned, lake: Lake) -> None:
    add_raw(lake, "captions", TEXTS)
    killed = LakeKilledBefore(lake.spark, lake.location, "killed-run")
    with pytest.raises(KeyboardInterrupt):
        clean(killed)
    assert lake.read(PROMPTS).count() == 3
    assert lake.read(REJECTED_PROMPTS).count() == 0
    counts = clean(lake)
    assert (counts.rows_out, counts.rows_rejected) == (0, 9)
    assert_counts_add_up(lake)
    for table in (PROMPTS, REJECTED_PROMPTS):
        assert Counter(rows_of(lake, table)) == Counter(rows_of(cleaned.lake, table))


hostile = st.one_of(
    st.none(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.text("aé\u0301 \u00a0\u200b\x00\u202e🦓", max_size=6),
    st.sampled_from(["a zebra on grass", "A ZEBRA", "nan", "null", "1e5", "' OR 1=1 --", "{0}"]),
)


def drawn_texts() -> list[str | None]:
    texts: list[str | None] = []

    # Spark sees all of them at once: a run of the stage for each would take minutes.
    @hypothesis_settings(max_examples=200, derandomize=True, database=None)
    @given(hostile)
    def gather(text: str | None) -> None:
        texts.append(text)

    gather()
    return texts


def test_counts_add_up_over_hostile_texts(lake: Lake, tmp_path: Path) -> None:
    made = tmp_path / "made"
    listed = [text for kind in hostile_texts(made).values() for text in kind]
    drawn = drawn_texts()
    assert len(listed) >= 200
    assert len(drawn) >= 200
    texts = [*listed, *drawn]
    # As JSON, which can say what no UTF-8 can: half of a surrogate pair.
    lines = [
        json.dumps({"source_row_id": name, "text": text})
        for name, text in zip(ids_of(texts), texts, strict=True)
    ]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines))
    schema = "source_row_id string, text string"
    rows = lake.spark.read.schema(schema).json(str(tmp_path / "texts.jsonl"))
    assert add_raw_rows(lake, "hostile", rows) == len(texts)
    counts = clean(lake)
    assert counts.rows_in == len(texts)
    assert not made.exists()
    assert_counts_add_up(lake)
    kept = rows_of(lake, PROMPTS)
    ids = [row.prompt_id for row in kept]
    assert len(set(ids)) == len(ids)
    assert {row.prompt_id for row in kept} == {
        prompt_id(normalise(row.original_text)) for row in kept
    }
    given_texts = {
        name: text and text.encode("utf-8", "replace").decode()
        for name, text in zip(ids_of(texts), texts, strict=True)
    }
    for row in [*rows_of(lake, RAW_PROMPTS), *rows_of(lake, REJECTED_PROMPTS)]:
        assert row.text == given_texts[row.source_row_id]
    repeats = [row for row in rows_of(lake, REJECTED_PROMPTS) if row.reason == "exact_duplicate"]
    assert {row.detail for row in repeats} <= set(ids)
