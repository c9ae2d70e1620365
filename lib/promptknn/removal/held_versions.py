"""Index versions whose shards still hold removed prompts."""

from pathlib import Path

import pyarrow as pa

from promptknn.index.held_prompts import held_prompts
from promptknn.index.shard import PROMPTS
from promptknn.index.version import index_location
from promptknn.lake import Lake
from promptknn.removal.removed import removed_ids
from promptknn.settings import Settings
from promptknn.tables import INDEX_SHARDS


def versions_with_removed(lake: Lake, settings: Settings) -> set[str]:
    """Find the index versions that hold a removed prompt.

    A shard without its file holds none. One whose file is damaged may: nobody can tell.
    """
    removed = removed_ids(lake)
    if removed is None:
        return set()
    root = index_location(settings)
    shards = lake.read_or_empty(INDEX_SHARDS).select("index_version", "path").collect()
    there = sorted({shard.path for shard in shards if (root / shard.path / PROMPTS).is_file()})
    paths = {path for path in there if not _opens(root / path / PROMPTS)}
    places = [path for path in there if path not in paths]
    if places:
        held = held_prompts(lake.spark, dict(enumerate(places)), root)
        found = held.join(removed, "prompt_id", "left_semi").select("shard_id").distinct()
        paths |= {places[row.shard_id] for row in found.collect()}
    return {shard.index_version for shard in shards if shard.path in paths}


def _opens(file: Path) -> bool:
    try:
        with pa.memory_map(str(file)) as mapped:
            pa.ipc.open_file(mapped)
    except (OSError, pa.ArrowInvalid):
        return False
    return True
