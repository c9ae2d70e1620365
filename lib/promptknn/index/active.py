"""Which index version is active, and how tasks get it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promptknn.encoders.models import Models
from promptknn.errors import CorruptShardError
from promptknn.index.broadcast_files import broadcast_files
from promptknn.index.distribution import IndexHandle, SharedFolder
from promptknn.index.version import (
    IndexVersion,
    ShardFiles,
    index_location,
    no_active_index,
    query_map_folder,
    shard_folders,
)
from promptknn.lake import Lake
from promptknn.removal.removed import removed_since
from promptknn.settings import IndexSettings, Settings
from promptknn.table import sql_text
from promptknn.tables import INDEX_SHARDS, INDEX_VERSIONS


@dataclass(frozen=True)
class ActiveIndex:
    """The active index version: its row in index_versions, and the handle that tasks open.

    Attributes:
        version: index_version.
        prompts: how many it holds.
        handle: tasks open it.
        groups: numbers of the shards that a worker opens together, where it is too big for one;
            empty where every worker opens all of them.
    """

    version: str
    prompts: int
    handle: IndexHandle
    groups: tuple[tuple[int, ...], ...]


def active_index(lake: Lake, settings: Settings, models: Models) -> ActiveIndex:
    """Find the active index and share it with the workers.

    Raises:
        MissingInputError: no index is active.
        ModelMismatchError: the active index was made with other models.
    """
    versions = lake.read_if_there(INDEX_VERSIONS)
    rows = versions.where("active").collect() if versions is not None else []
    if not rows:
        raise no_active_index(settings.lake, models)
    names = IndexVersion.columns()
    active = IndexVersion(**{k: v for k, v in rows[0].asDict().items() if k in names})
    active.check(settings, models)
    shards = shards_of(lake, active.index_version)
    handle = handle_of(lake, settings, active.index_version, active.files, shards, active.nprobe)
    left_out = removed_since(lake, active.index_version)
    handle = replace(handle, left_out=left_out, k_factor=active.k_factor)
    groups = shard_groups([shard.bytes for shard in shards], settings.index)
    return ActiveIndex(active.index_version, active.prompts, handle, groups)


def shard_groups(sizes: Sequence[int], settings: IndexSettings) -> tuple[tuple[int, ...], ...]:
    """Group neighbouring shards, so that a worker of a partitioned search opens few bytes.

    Args:
        sizes: bytes of each shard.
        settings: `search`, and what it depends on.

    Returns:
        Numbers of the shards of each group; none where the search is replicated.
    """
    fits = sum(sizes) < settings.replicated_below_bytes
    if settings.search == "replicated" or (settings.search == "auto" and fits):
        return ()
    groups: list[list[int]] = []
    room = 0
    for number, size in enumerate(sizes):
        if not groups or size > room:
            groups.append([])
            room = settings.group_bytes
        groups[-1].append(number)
        room -= size
    return tuple(tuple(group) for group in groups)


def activate(lake: Lake, version: str) -> None:
    """Make a version the one that predictions use, in one commit."""
    known = lake.read(INDEX_VERSIONS)
    if known.where((F.col("index_version") == version) & F.col("active")).count():
        return
    lake.sql(f"UPDATE {{0}} SET active = (index_version = {sql_text(version)})", INDEX_VERSIONS)


def shards_of(lake: Lake, version: str) -> list[ShardFiles]:
    """Read what index_shards says of a version's shards, in the order of their numbers."""
    of_version = F.col("index_version") == version
    rows = lake.read(INDEX_SHARDS).where(of_version).orderBy("shard_id")
    return [ShardFiles(**row.asDict()) for row in rows.select(*ShardFiles.columns()).collect()]


def handle_of(
    lake: Lake,
    settings: Settings,
    version: str,
    files: Mapping[str, str],
    shards: Sequence[ShardFiles],
    nprobe: int,
) -> IndexHandle:
    """Make the handle of an index version.

    Args:
        lake: its session sends what is broadcast.
        settings: where the index lies and how it is distributed.
        version: the index version.
        files: SHA-256 of each file of what its shards share.
        shards: of the version.
        nprobe: inverted lists to search for a query.
    """
    root = index_location(settings)
    query_map = query_map_folder(root, version, files)
    folders = shard_folders(root, shards)
    size = sum(shard.bytes for shard in shards)
    return share(lake.spark, settings.index, version, query_map, folders, size, nprobe)


def share(
    spark: SparkSession,
    settings: IndexSettings,
    version: str,
    query_map: SharedFolder,
    shards: list[SharedFolder],
    size: int,
    nprobe: int,
) -> IndexHandle:
    """Choose how shards reach the workers: through Spark, or from shared storage.

    Args:
        spark: the session.
        settings: `distribution` and what it depends on.
        version: the index version.
        query_map: the query map's folder.
        shards: the shards' folders.
        size: bytes of all shards.
        nprobe: inverted lists to search for a query.
    """
    way = settings.distribution
    if way == "auto":
        small = size < settings.broadcast_below_bytes
        way = "broadcast" if small and _has_context(spark) else "files"
    if way == "broadcast":
        shards = [_broadcast(spark, shard) for shard in shards]
        query_map = _broadcast(spark, query_map)
    return IndexHandle(version, query_map, tuple(shards), nprobe, str(settings.host_cache))


def _has_context(spark: SparkSession) -> bool:
    try:
        return spark.sparkContext is not None
    except (PySparkException, AttributeError):
        return False


def _broadcast(spark: SparkSession, folder: SharedFolder) -> SharedFolder:
    try:
        content = broadcast_files(spark, Path(folder.path), folder.files)
    except OSError as error:
        raise CorruptShardError(
            f"{error.filename} is missing: run jobs/build_index.py, which writes it anew."
        ) from error
    return SharedFolder(folder.path, folder.files, content)
