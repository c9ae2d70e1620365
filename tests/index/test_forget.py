from pathlib import Path

from pyspark.sql import SparkSession

from promptknn.index.distribution import SharedFolder
from promptknn.index.forget import forget_versions
from promptknn.index.query_map import FILE
from promptknn.index.version import query_map_folder
from promptknn.lake import Lake
from promptknn.settings import IndexSettings
from promptknn.tables import INDEX_SHARDS, INDEX_VERSIONS
from tests.rows import add_rows


def test_copies_that_only_forgotten_versions_use_go(spark: SparkSession, tmp_path: Path) -> None:
    lake, cache = Lake(spark, str(tmp_path / "lake"), "look"), tmp_path / "cache"
    names = ("old map", "map", "old shard", "shard of both")
    files = {
        name: {FILE: f"{number}" * 64, "another file": f"{number + 4}" * 64}
        for number, name in enumerate(names)
    }
    copies = {name: SharedFolder("", files[name]).place(cache) for name in names}
    # Of what a version's shards share, hosts copy the query map alone.
    copies |= {name: query_map_folder(tmp_path, "", files[name]).place(cache) for name in names[:2]}
    for place in copies.values():
        place.mkdir(parents=True)
    add_rows(lake, INDEX_VERSIONS, [
        {"index_version": "old", "files": files["old map"]},
        {"index_version": "new", "files": files["map"]},
    ])  # fmt: skip
    add_rows(lake, INDEX_SHARDS, [
        {"index_version": "old", "shard_id": 0, "files": files["old shard"]},
        {"index_version": "old", "shard_id": 1, "files": files["shard of both"]},
        {"index_version": "new", "shard_id": 0, "files": files["shard of both"]},
    ])  # fmt: skip
    forget_versions(lake, IndexSettings(cache=str(cache)), {"old"})
    assert {name for name, place in copies.items() if place.exists()} == {"map", "shard of both"}
    for table in (INDEX_VERSIONS, INDEX_SHARDS):
        assert {row.index_version for row in lake.read(table).collect()} == {"new"}
