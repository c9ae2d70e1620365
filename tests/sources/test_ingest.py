import json
from collections import Counter
from pathlib import Path

import pytest
from pyspark.sql import Row, SparkSession

from promptknn.errors import MissingInputError
from promptknn.lake import Lake
from promptknn.settings import Settings
from promptknn.sources.ingest import IngestPrompts
from promptknn.tables import RAW_PROMPTS
from tests.conftest import Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lines.txt").write_text("a zebra\na zebra\na cat\na zebra\n")
    (tmp_path / "people.csv").write_text('id,text\n1,a man\n1,a woman\n1,a man\n1-2,"a dog, two"\n')
    captions = {"images": [], "annotations": [{"id": 4, "image_id": 1, "caption": "a bus"}]}
    (tmp_path / "coco.json").write_text(json.dumps(captions))
    return tmp_path


@pytest.fixture
def people(tmp_path: Path) -> tuple[Path, Settings]:
    """A file of rows with ids, to be written, and settings that read it alone."""
    file = tmp_path / "people.csv"
    source = {"kind": "file", "path": str(file), "id_column": "id"}
    return file, Settings.model_validate({"lake": str(tmp_path / "lake"), "sources": [source]})


def settings_of(folder: Path) -> Settings:
    return Settings.model_validate({
        "lake": str(folder / "lake"),
        "sources": [
            {"kind": "file", "path": str(folder / "lines.txt")},
            {"kind": "file", "path": str(folder / "people.csv"), "id_column": "id"},
            {"kind": "coco", "path": str(folder / "coco.json"), "name": "it's coco"},
        ],
    })  # fmt: skip


def raw_rows(spark: SparkSession, settings: Settings) -> list[Row]:
    return Lake(spark, settings.lake, "look").read(RAW_PROMPTS).collect()


def test_every_row_of_every_source_is_kept_under_an_id_of_its_own(
    spark: SparkSession, run: Run, folder: Path
) -> None:
    settings = settings_of(folder)
    (counts,) = run(settings, IngestPrompts())
    rows = raw_rows(spark, settings)
    assert counts.rows_in == counts.rows_out == len(rows) == 9
    assert Counter((row.source, row.text) for row in rows) == {
        ("lines", "a zebra"): 3,
        ("lines", "a cat"): 1,
        ("people", "a man"): 2,
        ("people", "a woman"): 1,
        ("people", "a dog, two"): 1,
        ("it's coco", "a bus"): 1,
    }
    assert len({(row.source, row.source_row_id) for row in rows}) == 9


def test_reruns_add_only_what_a_file_has_gained(
    spark: SparkSession, run: Run, folder: Path
) -> None:
    settings = settings_of(folder)
    run(settings, IngestPrompts())
    before = {(row.source, row.source_row_id): row.text for row in raw_rows(spark, settings)}
    (again,) = run(settings, IngestPrompts())
    assert again.rows_in == 0
    assert again.message == "nothing new in lines, people, it's coco"
    assert len(raw_rows(spark, settings)) == 9
    with (folder / "lines.txt").open("a") as file:
        file.write("a zebra\na fox\n")
    (more,) = run(settings, IngestPrompts())
    after = {(row.source, row.source_row_id): row.text for row in raw_rows(spark, settings)}
    assert more.rows_out == 2
    assert after.items() > before.items()
    assert sorted(after[key] for key in after.keys() - before.keys()) == ["a fox", "a zebra"]


def test_rows_that_share_an_id_are_kept_when_the_source_gains_others(
    spark: SparkSession, run: Run, people: tuple[Path, Settings]
) -> None:
    file, settings = people
    file.write_text("id,text\n1,a zebra\n2,a cat\n2,a cat\n")
    run(settings, IngestPrompts())
    file.write_text("id,text\n1,a zebra\n2,a cat\n2,a cat\n1,an apple\n2,a bee\n1,a zebra\n")
    run(settings, IngestPrompts())
    texts = [row.text for row in raw_rows(spark, settings)]
    assert set(texts) == {"a zebra", "a cat", "an apple", "a bee"}
    before = len(texts)
    (again,) = run(settings, IngestPrompts())
    assert (again.rows_in, len(raw_rows(spark, settings))) == (0, before)


def test_another_text_under_a_known_id_is_kept_beside_the_first(
    spark: SparkSession, run: Run, people: tuple[Path, Settings]
) -> None:
    file, settings = people
    file.write_text("id,text\n1,a zebra\n2,a cat\n")
    run(settings, IngestPrompts())
    # The next month's file begins its ids anew, and has one row that is the same.
    file.write_text("id,text\n1,an apple\n2,a cat\n3,a bee\n3,a bee\n")
    (more,) = run(settings, IngestPrompts())
    assert more.rows_out == 3
    rows = raw_rows(spark, settings)
    texts = sorted(row.text for row in rows)
    assert texts == ["a bee", "a bee", "a cat", "a zebra", "an apple"]
    assert {row.text for row in rows if row.source_row_id == "1"} == {"a zebra"}
    (again,) = run(settings, IngestPrompts())
    assert again.rows_in == 0


def test_rows_of_sources_that_are_no_longer_named_are_told_of(run: Run, folder: Path) -> None:
    settings = settings_of(folder)
    run(settings, IngestPrompts())
    fewer = settings.model_copy(update={"sources": settings.sources[:1]})
    (counts,) = run(fewer, IngestPrompts())
    assert counts.message.startswith("nothing new in lines; the rows of it's coco, people stay")


def test_absent_source_stops_the_run_by_name(run: Run, tmp_path: Path) -> None:
    absent = {"kind": "file", "path": str(tmp_path / "absent.csv"), "name": "missing one"}
    settings = Settings.model_validate({"lake": str(tmp_path / "lake"), "sources": [absent]})
    with pytest.raises(MissingInputError, match="missing one"):
        run(settings, IngestPrompts())
