import sys
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from promptknn.errors import EnvironmentMissingError, MissingInputError
from promptknn.lake_reader import LakeReader
from promptknn.settings import Settings
from promptknn.tables import INDEX_SHARDS, INDEX_VERSIONS


@pytest.fixture
def reader(tmp_path: Path) -> LakeReader:
    rows = {"shard_id": [0, 1, 2], "index_version": ["a", "b", "a"]}
    write_deltalake(str(tmp_path / INDEX_SHARDS.name), pa.table(rows))
    return LakeReader(str(tmp_path))


def test_rows_that_pass_the_filters_are_read(reader: LakeReader) -> None:
    assert reader.has(INDEX_SHARDS)
    found = reader.read(INDEX_SHARDS, ["shard_id"], [("index_version", "=", "a")])
    assert found.to_pydict() == {"shard_id": [0, 2]}


def test_a_filter_holds_where_spark_kept_no_statistics(built: Settings) -> None:
    reader = LakeReader(built.lake)
    for active, rows in ((True, 1), (False, 0)):
        found = reader.read(INDEX_VERSIONS, ["index_version"], [("active", "=", active)])
        assert found.num_rows == rows


def test_a_nullable_column_of_a_later_promptknn_is_left_out(tmp_path: Path) -> None:
    rows = {"index_version": ["a"], "active": [True]}
    write_deltalake(str(tmp_path / INDEX_VERSIONS.name), pa.table(rows))
    reader = LakeReader(str(tmp_path))
    found = reader.read(INDEX_VERSIONS, ["index_version", "rescoring_model"])
    assert found.to_pydict() == {"index_version": ["a"]}
    with pytest.raises(MissingInputError, match=r"index_versions cannot be read .*clip_model"):
        reader.read(INDEX_VERSIONS, ["clip_model"])


def test_a_table_that_is_not_there_is_named_with_the_job(reader: LakeReader) -> None:
    (Path(reader.location) / INDEX_SHARDS.name / "_delta_log").rename(
        Path(reader.location) / "elsewhere"
    )
    assert not reader.has(INDEX_SHARDS)
    with pytest.raises(MissingInputError, match=r"index_shards cannot be read .*run jobs/build"):
        reader.read(INDEX_SHARDS, ["shard_id"])


def test_without_deltalake_the_extra_is_named(
    reader: LakeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(EnvironmentMissingError, match=r"install promptknn\[predict\]"):
        reader.read(INDEX_SHARDS, ["shard_id"])


def test_a_schema_of_a_catalog_is_no_lake_here() -> None:
    with pytest.raises(MissingInputError, match=r"no lake at main\.prompts: .*Spark jobs alone"):
        LakeReader("main.prompts")
