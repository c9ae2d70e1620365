import io
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from rich.console import Console

from promptknn.cleaning.clean import CleanPrompts
from promptknn.cleaning.normalisation import normalise
from promptknn.deduplication.exact import prompt_id
from promptknn.images.picture_files import picture_name, pictures_location
from promptknn.lake import Lake
from promptknn.removal.choice import Choice
from promptknn.removal.rebuild_index import RebuildIndex
from promptknn.removal.remove_prompts import RemovePrompts
from promptknn.settings import Settings
from promptknn.sources.ingest import IngestPrompts
from promptknn.stage import Context, Counts
from promptknn.table import Table
from promptknn.tables import (
    ALL_TABLES,
    IMAGE_EMBEDDINGS,
    JOB_RUNS,
    KEPT_PROMPTS,
    NEAR_DUPLICATES,
    PREDICTIONS,
    PROMPT_EMBEDDINGS,
    PROMPT_IMAGES,
    PROMPT_TERMS,
    PROMPTS,
    RAW_PROMPTS,
    REJECTED_PROMPTS,
    REMOVED_PROMPTS,
)
from tests.conftest import Run
from tests.rows import add_rows
from tests.small import changed
from tests.submission import run_here, write_config

ZEBRA, CAT, JANE, BUS, RED = (
    "a zebra on grass", "a cat on a sofa", "Jane Roe at the beach", "a bus in a street",
    "a red bus in a street",
)  # fmt: skip
LONG = "Jane Roe and a very long road " * 40
CAPTIONS = [ZEBRA, "a zebra  on\tgrass", CAT, JANE, LONG, BUS]
CHOICE = Choice.of([prompt_id(BUS)], [ZEBRA], "text ILIKE '%jane roe%'")
GONE = {prompt_id(normalise(text)) for text in (ZEBRA, JANE, LONG, BUS)}


@dataclass(frozen=True)
class Prepared:
    """A lake with a row in each table that may hold a prompt, and its settings."""

    lake: Lake
    settings: Settings
    tree: Mapping[str, object]

    def copy(self, home: Path) -> "Prepared":
        shutil.copytree(Path(self.lake.location).parent, home, dirs_exist_ok=True)
        place = str(home / "lake")
        settings = changed(self.settings, lake=place)
        return Prepared(
            Lake(self.lake.spark, place, "copy"), settings, {**self.tree, "lake": place}
        )

    def remove(self, choice: Choice, dry_run: bool = False, lake: Lake | None = None) -> Counts:
        stage, lake = RemovePrompts(choice, dry_run), lake or self.lake
        lake.create(stage.outputs)
        context = Context(lake.spark, lake, self.settings, lambda done, total: None)
        return stage.run(context)

    def rows(self, table: Table) -> int:
        return self.lake.read(table).count()

    def there(self) -> list[Table]:
        return [table for table in ALL_TABLES if self.lake.exists(table)]


def picture(settings: Settings, text: str, number: int) -> Path:
    return pictures_location(settings) / picture_name("tiny", prompt_id(text), number)


@pytest.fixture(scope="module")
def prepared(spark: SparkSession, run: Run, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    home = tmp_path_factory.mktemp("prepared")
    (home / "captions.txt").write_text("\n".join(CAPTIONS), encoding="utf-8")
    (home / "more.txt").write_text(f"{ZEBRA}\n{RED}\n")
    tree: dict[str, object] = {
        "lake": str(home / "lake"),
        "sources": [
            {"kind": "file", "path": str(home / f"{name}.txt")} for name in ("captions", "more")
        ],
        "cleaning": {"languages": []},
        "generation": {"location": str(home / "pictures")},
    }  # fmt: skip
    settings = Settings.model_validate(tree)
    run(settings, IngestPrompts(), CleanPrompts())
    lake = Lake(spark, settings.lake, "prepared")
    ids = {text: prompt_id(text) for text in (ZEBRA, CAT, JANE, BUS, RED)}
    add_rows(lake, PROMPT_EMBEDDINGS, *({"prompt_id": each} for each in ids.values()))
    kept = (ZEBRA, CAT, JANE, BUS)
    add_rows(lake, KEPT_PROMPTS, *({"prompt_id": ids[text]} for text in kept))
    near = {"prompt_id": ids[RED], "kept_prompt_id": ids[BUS], "similarity": 0.95}
    add_rows(lake, NEAR_DUPLICATES, near)
    files = [picture(settings, *which) for which in ((ZEBRA, 0), (ZEBRA, 1), (CAT, 0))]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"a picture")
    # The second file is one that a killed run has left without its row.
    listed = {ZEBRA: files[0], CAT: files[2]}
    for text, file in listed.items():
        row = {"prompt_id": ids[text], "image_uri": str(file), "safety": "safe"}
        add_rows(lake, PROMPT_IMAGES, row)
    images = {"a" * 64: str(files[0]), "b" * 64: "/photo-1.png", "c" * 64: "/photo-2.png"}
    nearest = {"a" * 64: [CAT], "b" * 64: [CAT, ZEBRA], "c" * 64: [CAT, RED]}
    for image_id, uri in images.items():
        image = {"image_id": image_id, "image_uri": uri}
        add_rows(lake, IMAGE_EMBEDDINGS, image)
        neighbours = [
            (rank, ids[text], text, 0.5) for rank, text in enumerate(nearest[image_id], 1)
        ]
        add_rows(lake, PREDICTIONS, {**image, "neighbours": neighbours})
    terms = {"roe": 1, "on": 2, "cat": 1}
    add_rows(lake, PROMPT_TERMS, *({"term": term, "count": n} for term, n in terms.items()))
    lake.sql("UPDATE {0} SET counted_through = current_timestamp()", PROMPT_TERMS)
    return Prepared(lake, settings, tree)


@pytest.fixture(scope="module")
def removed(
    prepared: Prepared, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Prepared, Counts]:
    copy = prepared.copy(tmp_path_factory.mktemp("removed"))
    return copy, copy.remove(CHOICE)


def shown(counts: Counts) -> dict[str, int]:
    said = io.StringIO()
    Console(file=said, width=80).print(counts.details)
    found = re.findall(r"│ ([\w ]+?) *│ *(\d+) *│", said.getvalue())
    return {name: int(count) for name, count in found}


FOUND = {
    "picture files": 2, "predictions": 2, "image_embeddings": 1, "prompt_images": 1,
    "near_duplicates": 1, "kept_prompts": 3, "prompt_embeddings": 3, "rejected_prompts": 3,
    "prompts": 3, "raw_prompts": 6,
}  # fmt: skip


def test_dry_run_says_what_would_go_and_changes_nothing(prepared: Prepared) -> None:
    before = {table.name: prepared.lake.version(table) for table in prepared.there()}
    counts = prepared.remove(CHOICE, dry_run=True)
    assert shown(counts) == FOUND
    assert counts.message == "would remove 3 prompts, 25 rows and files; nothing was changed"
    assert {table.name: prepared.lake.version(table) for table in prepared.there()} == before
    assert picture(prepared.settings, ZEBRA, 1).exists()


def test_no_table_and_no_file_holds_a_removed_prompt(removed: tuple[Prepared, Counts]) -> None:
    copy, counts = removed
    assert shown(counts) == {**FOUND, "prompt_terms": 1}
    assert counts.message == "3 prompts, 26 rows and files removed, 4 ids are kept out from now on"
    for table in set(copy.there()) - {REMOVED_PROMPTS}:
        held = str(copy.lake.read(table).collect())
        for trace in ("zebra", "Jane", "roe", "a bus", *GONE):
            assert trace not in held, table.name
    assert "zebra" not in str(copy.lake.read(REMOVED_PROMPTS).collect())


def test_what_is_left_adds_up(removed: tuple[Prepared, Counts]) -> None:
    copy, _ = removed
    assert {row.text for row in copy.lake.read(PROMPTS).collect()} == {CAT, RED}
    assert copy.rows(RAW_PROMPTS) == copy.rows(PROMPTS) + copy.rows(REJECTED_PROMPTS) == 2
    # The near duplicate of a removed prompt is decided anew.
    assert copy.rows(NEAR_DUPLICATES) == 0
    assert copy.rows(PROMPT_EMBEDDINGS) == 2
    terms = {row.term: row["count"] for row in copy.lake.read(PROMPT_TERMS).collect()}
    assert terms == {"on": 1, "cat": 1}
    chosen = {row.prompt_id: row.chosen_by for row in copy.lake.read(REMOVED_PROMPTS).collect()}
    assert chosen == {
        prompt_id(ZEBRA): "text", prompt_id(BUS): "id", prompt_id(JANE): "condition",
        prompt_id(normalise(LONG)): "condition",
    }  # fmt: skip


def test_a_second_run_finds_nothing_and_a_later_ingest_brings_nothing_back(
    run: Run, removed: tuple[Prepared, Counts]
) -> None:
    copy, _ = removed
    again = copy.remove(Choice())
    assert (again.rows_in, again.details) == (0, None)
    assert "0 prompts, 0 rows and files removed" in again.message
    ingested, cleaned = run(copy.settings, IngestPrompts(), CleanPrompts())
    assert ingested.rows_in == cleaned.rows_in == 0
    assert ingested.message.endswith("; rows of 4 removed prompts are left out")
    assert copy.rows(RAW_PROMPTS) == 2
    (unbuilt,) = run(copy.settings, RebuildIndex())
    assert unbuilt.message == "nothing to rebuild"


class LakeKilledBefore(Lake):
    """Stands for a job that is killed between two tables."""

    def delete(self, table: Table, rows: DataFrame) -> int:
        if table is PROMPTS:
            raise KeyboardInterrupt
        return super().delete(table, rows)


def test_killed_removal_is_finished_by_a_run_that_is_asked_for_nothing(
    run: Run, prepared: Prepared, tmp_path: Path
) -> None:
    copy = prepared.copy(tmp_path)
    killed = LakeKilledBefore(copy.lake.spark, copy.lake.location, "killed")
    with pytest.raises(KeyboardInterrupt):
        copy.remove(CHOICE, lake=killed)
    assert copy.rows(PROMPTS) == 5
    # What cleaning finds meanwhile is refused: its raw rows are still there.
    (cleaned,) = run(copy.settings, CleanPrompts())
    assert (cleaned.rows_out, cleaned.rows_rejected) == (0, 3)
    counts = copy.remove(Choice())
    assert shown(counts)["prompts"] == 3
    assert copy.rows(RAW_PROMPTS) == copy.rows(PROMPTS) + copy.rows(REJECTED_PROMPTS) == 2


def test_text_as_found_removes_what_cleaning_made_of_it(lake: Lake) -> None:
    # As if `cleaning.vocabulary` had dropped a term of each.
    found = {"1": "a zebra xqzw", "2": "a zebra wzqx", "3": "a cat"}
    add_rows(lake, RAW_PROMPTS, *({"source_row_id": n, "text": t} for n, t in found.items()))
    prompts = (
        {"prompt_id": prompt_id(text), "text": text, "source_row_id": row}
        for text, row in (("a zebra", "1"), ("a cat", "3"))
    )
    add_rows(lake, PROMPTS, *prompts)
    repeat = {"source_row_id": "2", "reason": "exact_duplicate", "detail": prompt_id("a zebra")}
    add_rows(lake, REJECTED_PROMPTS, repeat)
    Prepared(lake, Settings(lake=lake.location), {}).remove(Choice.of(texts=["a zebra xqzw"]))
    assert [row.text for row in lake.read(RAW_PROMPTS).collect()] == ["a cat"]
    assert [row.text for row in lake.read(PROMPTS).collect()] == ["a cat"]
    assert lake.read(REJECTED_PROMPTS).isEmpty()
    # Each row's text as found is known to a later ingest.
    known = {row.prompt_id: row.chosen_by for row in lake.read(REMOVED_PROMPTS).collect()}
    assert known == {
        prompt_id("a zebra xqzw"): "text", prompt_id("a zebra wzqx"): "row",
        prompt_id("a zebra"): "row",
    }  # fmt: skip


def test_the_job_says_what_it_did_and_records_no_text(prepared: Prepared, tmp_path: Path) -> None:
    copy = prepared.copy(tmp_path / "home")
    config = write_config(tmp_path / "removal.yaml", dict(copy.tree))
    code, said = run_here("remove_prompts", config, "--where", "test ILIKE '%zebra%'")
    assert code == 2
    assert "promptknn: --where is no SQL condition over the columns of prompts (UNRESOLVED" in said
    code, said = run_here("remove_prompts", config, "--text", ZEBRA)
    assert code == 0, said
    assert "remove_prompts: 1 prompts, " in said
    assert "rebuild_index: nothing to rebuild" in said
    runs = str(copy.lake.read(JOB_RUNS).collect())
    assert "remove_prompts" in runs
    assert "zebra" not in runs
