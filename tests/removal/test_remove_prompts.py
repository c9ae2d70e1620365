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
from tests.submission import run_here, write_config

ZEBRA, CAT, JANE, BUS, RED, FOX = (
    "a zebra on grass", "a cat on a sofa", "Jane Roe at the beach", "a bus in a street",
    "a red bus in a street", "a fox",
)  # fmt: skip
LONG = "Jane Roe and a very long road " * 40
CAPTIONS = [ZEBRA, "a zebra  on\tgrass", CAT, JANE, LONG, BUS]
# As if `cleaning.vocabulary` had dropped a term of each: both were cleaned to FOX.
FOXES = ("a fox xqzw", "a fox wzqx")
ASKED = ("--id", prompt_id(BUS), "--text", ZEBRA, "--text", FOXES[0])
CONDITION = "text ILIKE '%jane roe%'"
CHOSEN = {
    ZEBRA: "text", JANE: "condition", normalise(LONG): "condition", BUS: "id", FOX: "row",
    FOXES[0]: "text", FOXES[1]: "row",
}  # fmt: skip
FOUND = {
    "picture files": 2, "predictions": 2, "image_embeddings": 1, "prompt_images": 1,
    "near_duplicates": 1, "kept_prompts": 3, "prompt_embeddings": 3, "rejected_prompts": 4,
    "prompts": 4, "raw_prompts": 9,
}  # fmt: skip


class LakeKilledBefore(Lake):
    """Stands for a job that is killed between two tables."""

    def delete(self, table: Table, rows: DataFrame) -> int:
        if table is PROMPTS:
            raise KeyboardInterrupt
        return super().delete(table, rows)


@dataclass(frozen=True)
class Prepared:
    """A lake with rows in each table that may hold a prompt, and its settings."""

    lake: Lake
    tree: Mapping[str, object]

    @property
    def settings(self) -> Settings:
        return Settings.model_validate(self.tree)

    def copy(self, home: Path) -> "Prepared":
        shutil.copytree(self.lake.location, home / "lake")
        tree = {**self.tree, "lake": str(home / "lake")}
        return Prepared(Lake(self.lake.spark, str(home / "lake"), "copy"), tree)

    def rows(self, table: Table) -> int:
        return self.lake.read(table).count()

    def versions(self) -> dict[str, int]:
        return {table.name: self.lake.version(table) for table in self.there()}

    def there(self) -> list[Table]:
        return [t for t in ALL_TABLES if t != JOB_RUNS and self.lake.exists(t)]


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
    }
    settings = Settings.model_validate(tree)
    run(settings, IngestPrompts(), CleanPrompts())
    lake = Lake(spark, settings.lake, "prepared")
    ids = {text: prompt_id(text) for text in (ZEBRA, CAT, JANE, BUS, RED, FOX)}
    raw = [{"source_row_id": text, "text": text} for text in FOXES]
    # The text of one of them again, in a row that no run has cleaned yet.
    pending = {"source_row_id": "pending", "text": FOXES[1].replace(" ", "  ")}
    add_rows(lake, RAW_PROMPTS, [*raw, pending])
    add_rows(lake, PROMPTS, [{**raw[0], "text": FOX, "prompt_id": ids[FOX]}])
    add_rows(lake, REJECTED_PROMPTS, [{**raw[1], "reason": "exact_duplicate", "detail": ids[FOX]}])
    add_rows(lake, PROMPT_EMBEDDINGS, [{"prompt_id": ids[t]} for t in ids if t != FOX])
    add_rows(lake, KEPT_PROMPTS, [{"prompt_id": ids[t]} for t in (ZEBRA, CAT, JANE, BUS)])
    near = {"prompt_id": ids[RED], "kept_prompt_id": ids[BUS], "similarity": 0.95}
    add_rows(lake, NEAR_DUPLICATES, [near])
    # The second file is one that a killed run has left without its row.
    files = [picture(settings, *which) for which in ((ZEBRA, 0), (ZEBRA, 1), (CAT, 0))]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"a picture")
    listed = [(ZEBRA, files[0]), (CAT, files[2])]
    pictures = [{"prompt_id": ids[t], "image_uri": str(f), "safety": "safe"} for t, f in listed]
    add_rows(lake, PROMPT_IMAGES, pictures)
    uris = {"a": str(files[0]), "b": "/photo-1.png", "c": "/photo-2.png"}
    images = [{"image_id": name * 64, "image_uri": uri} for name, uri in uris.items()]
    add_rows(lake, IMAGE_EMBEDDINGS, images)
    nearest = ([CAT], [CAT, ZEBRA], [CAT, RED])
    predicted = [
        {**image, "neighbours": [(rank, ids[t], t, 0.5) for rank, t in enumerate(texts, 1)]}
        for image, texts in zip(images, nearest, strict=True)
    ]
    add_rows(lake, PREDICTIONS, predicted)
    terms = {"roe": 1, "on": 2, "cat": 1}
    add_rows(lake, PROMPT_TERMS, [{"term": term, "count": n} for term, n in terms.items()])
    lake.sql("UPDATE {0} SET counted_through = current_timestamp()", PROMPT_TERMS)
    return Prepared(lake, tree)


def read(shown: str) -> dict[str, int]:
    found = re.findall(r"│ ([\w ]+?) *│ *(\d+) *│", shown)
    return {name: int(count) for name, count in found}


def shown(counts: Counts) -> dict[str, int]:
    said = io.StringIO()
    Console(file=said, width=80).print(counts.details)
    return read(said.getvalue())


def test_the_job_says_what_would_go_changes_nothing_and_records_no_text(
    prepared: Prepared, tmp_path: Path
) -> None:
    before = prepared.versions()
    config = write_config(tmp_path / "removal.yaml", dict(prepared.tree))
    code, said = run_here("remove_prompts", config, "--dry-run", *ASKED, "--where", CONDITION)
    assert code == 0, said
    assert "remove_prompts: would remove 4 prompts, 30 rows and files; nothing was changed" in said
    assert read(said) == FOUND
    assert prepared.versions() == before
    assert picture(prepared.settings, ZEBRA, 1).exists()

    code, said = run_here("remove_prompts", config, "--where", "test ILIKE '%zebra%'")
    assert code == 2
    assert "promptknn: --where is no SQL condition over the columns of prompts (UNRESOLVED" in said
    runs = str(prepared.lake.read(JOB_RUNS).collect())
    assert "SettingsError" in runs
    assert not any(trace in runs for trace in ("zebra", "jane", prompt_id(BUS)))


@pytest.fixture(scope="module")
def removed(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """A copy whose prompts were removed by a job that was killed."""
    copy = prepared.copy(tmp_path_factory.mktemp("removed"))
    killed = LakeKilledBefore(copy.lake.spark, copy.lake.location, "killed")
    choice = Choice.of([prompt_id(BUS)], [ZEBRA, FOXES[0]], CONDITION)
    with pytest.raises(KeyboardInterrupt):
        remove(copy, killed, choice)
    return copy


def remove(prepared: Prepared, lake: Lake, choice: Choice) -> Counts:
    stage = RemovePrompts(choice)
    lake.create(stage.outputs)
    return stage.run(Context(lake.spark, lake, prepared.settings, lambda done, total: None))


def test_killed_removal_is_finished_by_a_run_that_is_asked_for_nothing(
    run: Run, removed: Prepared
) -> None:
    assert removed.rows(PROMPTS) == 6
    # Rows that the killed run has left are not cleaned into prompts again.
    (cleaned,) = run(removed.settings, CleanPrompts())
    assert (cleaned.rows_out, cleaned.rows_rejected) == (0, 5)
    counts = remove(removed, removed.lake, Choice())
    left = {"rejected_prompts": 5, "prompts": 4, "raw_prompts": 9, "prompt_terms": 1}
    assert shown(counts) == left
    assert counts.message == "4 prompts, 19 rows and files removed, 7 ids are kept out from now on"


def test_no_table_and_no_file_holds_a_removed_prompt(removed: Prepared) -> None:
    known = removed.lake.read(REMOVED_PROMPTS).collect()
    assert {row.prompt_id: row.chosen_by for row in known} == {
        prompt_id(text): by for text, by in CHOSEN.items()
    }
    traces = ["zebra", "Jane", "roe", "a bus", "fox", *(row.prompt_id for row in known)]
    for table in removed.there():
        held = str([] if table == REMOVED_PROMPTS else removed.lake.read(table).collect())
        assert not [trace for trace in traces if trace in held], table.name
    files = {file.name for file in pictures_location(removed.settings).rglob("*.png")}
    assert files == {f"{prompt_id(CAT)}-0.png"}


def test_what_is_left_adds_up(removed: Prepared) -> None:
    assert {row.text for row in removed.lake.read(PROMPTS).collect()} == {CAT, RED}
    assert removed.rows(RAW_PROMPTS) == removed.rows(PROMPTS) + removed.rows(REJECTED_PROMPTS) == 2
    # The near duplicate of a removed prompt is decided anew.
    assert (removed.rows(NEAR_DUPLICATES), removed.rows(PROMPT_EMBEDDINGS)) == (0, 2)
    assert (removed.rows(PREDICTIONS), removed.rows(IMAGE_EMBEDDINGS)) == (1, 2)
    terms = {row.term: row["count"] for row in removed.lake.read(PROMPT_TERMS).collect()}
    assert terms == {"on": 1, "cat": 1}


def test_a_later_ingest_brings_nothing_back(run: Run, removed: Prepared) -> None:
    stages = (IngestPrompts(), CleanPrompts(), RebuildIndex())
    ingested, cleaned, rebuilt = run(removed.settings, *stages)
    assert ingested.rows_in == cleaned.rows_in == rebuilt.rows_in == 0
    assert ingested.message.endswith("; rows of 7 removed prompts are left out")
    assert removed.rows(RAW_PROMPTS) == 2
    assert rebuilt.message == "nothing to rebuild"
