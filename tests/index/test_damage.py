from pathlib import Path

import pytest
from pyspark.sql import Row

from promptknn.index.damage import damaged_folders, shared_folder
from promptknn.index.shard_writer import sha256
from promptknn.lake import Lake
from promptknn.settings import Settings
from promptknn.tables import INDEX_SHARDS
from tests.rows import add_rows


@pytest.fixture
def version(lake: Lake) -> Row:
    """A version of two shards, whose files are a few bytes each."""
    root = Path(lake.location) / "index"
    rows, files = [], {}
    for place in (shared_folder("v"), "v/shard-00000", "before/shard-00001"):
        (root / place).mkdir(parents=True)
        for name in ("a.bin", "b.bin"):
            (root / place / name).write_bytes(f"{place}/{name}".encode())
        files[place] = {name: sha256(root / place / name) for name in ("a.bin", "b.bin")}
    lake.create([INDEX_SHARDS])
    for number, place in enumerate(list(files)[1:]):
        row = {"index_version": "v", "shard_id": number, "path": place, "files": files[place]}
        rows.append({**row, "prompts": 1, "bytes": 1})
    add_rows(lake, INDEX_SHARDS, rows)
    return Row(index_version="v", files=files[shared_folder("v")])


def test_folders_with_a_missing_or_altered_file_are_found(lake: Lake, version: Row) -> None:
    settings, root = Settings.model_validate({"lake": lake.location}), Path(lake.location) / "index"
    assert damaged_folders(lake, settings, version) == set()
    (root / "before/shard-00001/b.bin").unlink()
    assert damaged_folders(lake, settings, version) == {"before/shard-00001"}
    (root / "v/query-map/a.bin").write_bytes(b"altered")
    assert damaged_folders(lake, settings, version) == {"before/shard-00001", "v/query-map"}
