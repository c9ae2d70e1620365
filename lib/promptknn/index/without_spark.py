"""The active index of a lake, found without Spark (index/active.py finds it with)."""

from promptknn.encoders.models import Models
from promptknn.index.distribution import IndexHandle
from promptknn.index.version import (
    LONGEST_BUILD,
    IndexVersion,
    ShardFiles,
    index_location,
    no_active_index,
    query_map_folder,
    shard_folders,
)
from promptknn.lake_reader import LakeReader
from promptknn.online_settings import OnlineSettings
from promptknn.tables import INDEX_SHARDS, INDEX_VERSIONS, REMOVED_PROMPTS


def active_version(reader: LakeReader, settings: OnlineSettings, models: Models) -> IndexVersion:
    """Find the active version, and check that it fits the settings.

    Raises:
        MissingInputError: no index is active.
        ModelMismatchError: the active index was made with other models.
    """
    if not reader.has(INDEX_VERSIONS):
        raise no_active_index(reader.location, models)
    rows = reader.read(INDEX_VERSIONS, IndexVersion.columns(), [("active", "=", True)])
    if rows.num_rows == 0:
        raise no_active_index(reader.location, models)
    version = IndexVersion(**rows.to_pylist(maps_as_pydicts="strict")[0])
    version.check(settings, models)
    return version


def handle_of(reader: LakeReader, settings: OnlineSettings, version: IndexVersion) -> IndexHandle:
    """Make the handle of a version; its files are fetched, and checked, when it is opened.

    Args:
        reader: has the rows of its shards.
        settings: where the index lies and where this host keeps its copy.
        version: of the index.
    """
    of_version = [("index_version", "=", version.index_version)]
    rows = reader.read(INDEX_SHARDS, ["shard_id", *ShardFiles.columns()], of_version)
    rows = rows.sort_by("shard_id").drop_columns("shard_id")
    shards = [ShardFiles(**row) for row in rows.to_pylist(maps_as_pydicts="strict")]
    root = index_location(settings)
    return IndexHandle(
        version.index_version,
        query_map_folder(root, version.index_version, version.files),
        tuple(shard_folders(root, shards)),
        version.nprobe,
        str(settings.index.host_cache),
        _removed_since(reader, version.index_version),
        version.k_factor,
    )


def _removed_since(reader: LakeReader, version: str) -> tuple[str, ...]:
    """Read the removed prompts that a version may still hold, as removal/removed.py does."""
    if not reader.has(REMOVED_PROMPTS):
        return ()
    of_version = [("index_version", "=", version)]
    (built_at,) = reader.read(INDEX_VERSIONS, ["built_at"], of_version)["built_at"].to_pylist()
    later = [("removed_at", ">=", built_at - LONGEST_BUILD)]
    return tuple(reader.read(REMOVED_PROMPTS, ["prompt_id"], later)["prompt_id"].to_pylist())
