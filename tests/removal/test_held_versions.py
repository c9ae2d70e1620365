from pathlib import Path

import pyarrow as pa
import pytest

from promptknn.lake import Lake
from promptknn.removal.held_versions import versions_with_removed
from promptknn.settings import Settings
from promptknn.tables import INDEX_SHARDS, REMOVED_PROMPTS
from tests.rows import add_rows

REMOVED, OTHER = "0" * 32, "1" * 32


def write_ids(folder: Path, *ids: str) -> None:
    folder.mkdir(parents=True)
    table = pa.table({"prompt_id": list(ids), "text": list(ids)})
    with pa.ipc.new_file(str(folder / "prompts.arrow"), table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("damage", [b"", b"cut", b"ARROW1"])
def test_versions_with_a_removed_prompt_or_a_damaged_shard_are_found(
    lake: Lake, damage: bytes
) -> None:
    root = Path(lake.location) / "index"
    write_ids(root / "with" / "shard-00000", REMOVED, OTHER)
    write_ids(root / "without" / "shard-00000", OTHER)
    write_ids(root / "damaged" / "shard-00000", OTHER)
    (root / "damaged" / "shard-00000" / "prompts.arrow").write_bytes(damage)
    versions = ("with", "without", "damaged", "absent")
    rows = [{"index_version": name, "path": f"{name}/shard-00000"} for name in versions]
    add_rows(lake, INDEX_SHARDS, rows)
    settings = Settings.model_validate({"lake": lake.location})
    assert versions_with_removed(lake, settings) == set()
    add_rows(lake, REMOVED_PROMPTS, [{"prompt_id": REMOVED, "chosen_by": "id"}])
    assert versions_with_removed(lake, settings) == {"with", "damaged"}
