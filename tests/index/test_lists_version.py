from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import Row

from promptknn.index.content import target_of
from promptknn.index.damage import shared_folder
from promptknn.index.lists_version import record_lists
from promptknn.index.shard_writer import sha256
from promptknn.index.tuned import Tuned
from promptknn.lake import Lake
from promptknn.settings import Settings
from promptknn.stage import Context
from promptknn.tables import INDEX_SHARDS, INDEX_VERSIONS
from tests.rows import add_rows

TUNED = Tuned(nprobe=8, k_factor=4.0, recall=0.95, k=10, judged_by="20 images")


@pytest.fixture
def context(lake: Lake) -> Context:
    """A lake with an active version `v` of one shard, four lists of which are searched."""
    folder = Path(lake.location) / "index" / shared_folder("v")
    folder.mkdir(parents=True)
    (folder / "map.bin").write_bytes(b"a map")
    lake.create([INDEX_VERSIONS, INDEX_SHARDS])
    version = {"index_version": "v", "identity": "i", "nprobe": 4, "k_factor": 4.0}
    files = {"map.bin": sha256(folder / "map.bin")}
    add_rows(lake, INDEX_VERSIONS, [{**version, "recall": 0.9, "active": True, "files": files}])
    shard = {"index_version": "v", "shard_id": 0, "path": "v/shard-00000", "files": {}}
    add_rows(lake, INDEX_SHARDS, [{**shard, "prompts": 1, "bytes": 1}])
    settings = Settings.model_validate({"lake": lake.location, "index": {"target_recall": 0.93}})
    return Context(lake.spark, lake, settings, lambda done, total: None)


def row_of(context: Context, version: str) -> Row:
    return context.lake.read(INDEX_VERSIONS).where(f"index_version = '{version}'").collect()[0]


def test_as_many_lists_are_the_same_version(context: Context) -> None:
    same = record_lists(context, row_of(context, "v"), replace(TUNED, nprobe=4))
    assert same == "v"
    row = row_of(context, "v")
    assert (row.nprobe, row.recall, row.recall_k, row.active) == (4, 0.95, 10, True)
    assert row.recall_queries == "20 images"
    assert target_of(row.settings) == 0.93


def test_other_lists_are_a_version_of_the_same_shards(context: Context) -> None:
    other = record_lists(context, row_of(context, "v"), TUNED)
    row, root = row_of(context, other), Path(context.lake.location) / "index"
    assert (row.nprobe, row.grown_from, row.identity, row.active) == (8, "v", "i", False)
    assert (root / shared_folder(other) / "map.bin").read_bytes() == b"a map"
    shards = context.lake.read(INDEX_SHARDS).where(f"index_version = '{other}'").collect()
    assert [shard.path for shard in shards] == ["v/shard-00000"]
    before = row_of(context, "v")
    assert (before.nprobe, before.recall, before.active) == (4, 0.9, True)


def test_other_candidates_are_a_version_too(context: Context) -> None:
    fewer = replace(TUNED, nprobe=4, k_factor=2.0)
    other = record_lists(context, row_of(context, "v"), fewer)
    row = row_of(context, other)
    assert (row.nprobe, row.k_factor, row.grown_from) == (4, 2.0, "v")
    none = record_lists(context, row, replace(fewer, k_factor=None))
    assert none not in {"v", other}
    assert row_of(context, none).k_factor is None
    assert record_lists(context, row_of(context, none), fewer) == other


def test_a_version_that_is_there_is_taken_again(context: Context) -> None:
    other = record_lists(context, row_of(context, "v"), TUNED)
    back = record_lists(context, row_of(context, other), replace(TUNED, nprobe=4, recall=0.91))
    assert back == "v"
    assert row_of(context, "v").recall == 0.91
    assert record_lists(context, row_of(context, "v"), TUNED) == other
    assert context.lake.read(INDEX_VERSIONS).count() == 2


def test_a_damaged_version_is_not_taken(context: Context) -> None:
    other = record_lists(context, row_of(context, "v"), TUNED)
    root = Path(context.lake.location) / "index"
    (root / shared_folder("v") / "map.bin").unlink()
    again = record_lists(context, row_of(context, other), replace(TUNED, nprobe=4))
    assert again not in {"v", other}
    assert (root / shared_folder(again) / "map.bin").is_file()
