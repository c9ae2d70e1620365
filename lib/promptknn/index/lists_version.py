"""Versions of the same shards, which are searched otherwise.

Other numbers of lists, or of candidates in them, give other answers: they are a version of their
own, so that each prediction says which it is from.
"""

import shutil

from pyspark.sql import Row
from pyspark.sql import functions as F

from promptknn.index.active import shards_of
from promptknn.index.content import recorded
from promptknn.index.damage import damaged_folders
from promptknn.index.tuned import Tuned
from promptknn.index.version import QUERY_MAP_FOLDER, index_location
from promptknn.sequential_files import copy_files
from promptknn.settings import settings_hash
from promptknn.stage import Context
from promptknn.tables import INDEX_SHARDS, INDEX_VERSIONS


def record_lists(context: Context, known: Row, tuned: Tuned) -> str:
    """Write what was chosen anew for the searches of a version, and what was measured.

    Args:
        context: has the lake and the settings that it was measured by.
        known: the version's row of index_versions.
        tuned: what was chosen.

    Returns:
        The version that is searched so: `known`, another that is there, or a new one.
    """
    lake, own = context.lake, {}
    source = version = str(known.index_version)
    if (tuned.nprobe, tuned.k_factor) != (known.nprobe, known.k_factor):
        twin = _twin(context, known, tuned)
        if twin is not None:
            source = version = twin
        else:
            version = _copy(context, known, tuned)
            own = {
                "index_version": F.lit(version),
                "grown_from": F.lit(source),
                "active": F.lit(False),
                "built_at": F.current_timestamp(),
            }
    row = lake.read(INDEX_VERSIONS).where(F.col("index_version") == source).withColumns({
        "nprobe": F.lit(tuned.nprobe),
        "k_factor": F.lit(tuned.k_factor).cast("double"),
        "recall": F.lit(tuned.recall),
        "recall_k": F.lit(tuned.k),
        "recall_queries": F.lit(tuned.judged_by),
        "settings": F.lit(recorded(context.settings.index)),
        **own,
    })  # fmt: skip
    lake.replace(INDEX_VERSIONS, row)
    return version


def _twin(context: Context, known: Row, tuned: Tuned) -> str | None:
    """Find a version of the same shards that is searched so: a target may come back."""
    lake = context.lake
    paths = [shard.path for shard in shards_of(lake, known.index_version)]
    like = (F.col("identity") == known.identity) & (F.col("nprobe") == tuned.nprobe)
    like &= F.col("k_factor").eqNullSafe(F.lit(tuned.k_factor))
    for other in lake.read(INDEX_VERSIONS).where(like).orderBy("built_at").collect():
        same = [shard.path for shard in shards_of(lake, other.index_version)] == paths
        if same and not damaged_folders(lake, context.settings, other):
            return str(other.index_version)
    return None


def _copy(context: Context, known: Row, tuned: Tuned) -> str:
    """Write all of a version of the same shards but its row, and give its name."""
    lake, root = context.lake, index_location(context.settings)
    version = settings_hash(known.index_version, str(tuned.nprobe), str(tuned.k_factor))
    # Left by a run that was killed before it recorded the version.
    shutil.rmtree(root / version, ignore_errors=True)
    copy_files(root / known.index_version / QUERY_MAP_FOLDER, root / version / QUERY_MAP_FOLDER)
    shards = lake.read(INDEX_SHARDS).where(F.col("index_version") == known.index_version)
    now = {"index_version": F.lit(version), "built_at": F.current_timestamp()}
    lake.replace(INDEX_SHARDS, shards.withColumns(now))
    return version
