"""Index versions whose shards still hold removed prompts."""

from promptknn.index.held_prompts import held_prompts
from promptknn.index.shard import PROMPTS
from promptknn.index.version import index_location
from promptknn.lake import Lake
from promptknn.removal.removed import removed_ids
from promptknn.settings import Settings
from promptknn.tables import INDEX_SHARDS


def versions_with_removed(lake: Lake, settings: Settings) -> set[str]:
    """Find the index versions that hold a removed prompt; a shard without its file holds none."""
    removed = removed_ids(lake)
    if removed is None:
        return set()
    root = index_location(settings)
    shards = lake.read_or_empty(INDEX_SHARDS).select("index_version", "path").collect()
    places = sorted({shard.path for shard in shards if (root / shard.path / PROMPTS).is_file()})
    if not places:
        return set()
    held = held_prompts(lake.spark, dict(enumerate(places)), root)
    found = held.join(removed, "prompt_id", "left_semi").select("shard_id").distinct().collect()
    paths = {places[row.shard_id] for row in found}
    return {shard.index_version for shard in shards if shard.path in paths}
