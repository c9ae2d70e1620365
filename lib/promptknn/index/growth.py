"""Growing an index: new prompts become new shards, and only shards with removed prompts are redone.

The query map and the trained index of the version before stay as they are, so that the shards of
both versions answer alike. Shards no larger than what is written join it, as in a merge tree: their
number stays small, and a prompt is rewritten only as often as the index doubles.
"""

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from promptknn.encoders.models import Models
from promptknn.index.content import content_of, target_of
from promptknn.index.damage import damaged_folders, shared_folder
from promptknn.index.factory import FLAT
from promptknn.index.held_prompts import held_prompts
from promptknn.index.version import index_location
from promptknn.lake import Lake
from promptknn.settings import IndexSettings, Settings
from promptknn.tables import INDEX_SHARDS, INDEX_VERSIONS


@dataclass(frozen=True)
class Growth:
    """What becomes of the version before.

    Attributes:
        base: its row in index_versions.
        kept: rows in index_shards of the shards that stay.
        pending: the pool's prompts that no kept shard holds.
        rows: how many these are.
    """

    base: Row
    kept: list[Row]
    pending: DataFrame
    rows: int

    @property
    def next_shard(self) -> int:
        """The first number that no kept shard has."""
        return 1 + max(int(shard.shard_id) for shard in self.kept)


def growth_of(
    lake: Lake,
    settings: Settings,
    models: Models,
    second: Models | None,
    content: str,
    pool: DataFrame,
    rows: int,
) -> Growth | None:
    """Plan how the active version grows to hold a pool.

    Args:
        lake: has the version.
        settings: of the job.
        models: of the pool.
        second: models that score again, if any.
        content: the index settings that decide what an index is, as `content_of` gives them.
        pool: prompts to hold.
        rows: how many.

    Returns:
        None where the index is built anew: there is none of these models and settings, what its
        shards share is damaged, or it has outgrown what its query map and lists were fitted on. A
        damaged shard alone is written again.
    """
    active = lake.read(INDEX_VERSIONS).where("active").collect()
    if not active or settings.index.shards is not None:
        return None
    base = active[0]
    wanted = (models.clip_identity, models.sentence_identity, content)
    if (base.clip_model, base.sentence_model, content_of(base.settings)) != wanted:
        return None
    if base.rescoring_model != (second.clip_identity if second else None):
        return None
    if outgrown(base.fitted_prompts, rows, base.factory, settings.index):
        return None
    damaged = damaged_folders(lake, settings, base)
    every = lake.read(INDEX_SHARDS).where(F.col("index_version") == base.index_version).collect()
    shards = [shard for shard in every if shard.path not in damaged]
    if shared_folder(base.index_version) in damaged or not shards:
        return None
    paths = {shard.shard_id: shard.path for shard in shards}
    held = held_prompts(lake.spark, paths, index_location(settings))
    pooled = pool.select("prompt_id", F.lit(True).alias("pooled"))
    # A row a shard, and one without a shard: the prompts that are new.
    tally = (
        held.join(pooled, "prompt_id", "full_outer")
        .groupBy("shard_id")
        .agg(F.count("*").alias("prompts"), F.count_if(F.isnull("pooled")).alias("removed"))
        .collect()
    )
    new = sum(row.prompts for row in tally if row.shard_id is None)
    outdated = {row.shard_id for row in tally if row.removed}
    sizes = {shard.shard_id: shard.prompts for shard in shards}
    again = to_rewrite(sizes, outdated, new, settings.index.rows_per_shard)
    kept = [shard for shard in shards if shard.shard_id not in again]
    if not kept:
        return None
    stays = held.where(F.col("shard_id").isin([shard.shard_id for shard in kept]))
    pending = pool.join(stays.select("prompt_id"), "prompt_id", "left_anti")
    return Growth(base, kept, pending, rows - sum(shard.prompts for shard in kept))


def fitting_is_in_vain(lake: Lake, base: Row, rows: int, settings: IndexSettings) -> bool:
    """Tell whether an index that was fitted on all of about as many prompts missed the target.

    Where a growing pool never reaches it, not each increment should cost a build of everything.

    Args:
        lake: has the versions.
        base: row in index_versions of the one that grew.
        rows: prompts in the pool.
        settings: the target, and how far a pool may outgrow what was fitted.
    """
    alike = ["clip_model", "sentence_model", "rescoring_model"]
    same = reduce(operator.and_, (F.col(name).eqNullSafe(base[name]) for name in alike))
    whole = lake.read(INDEX_VERSIONS).where("fitted_prompts = prompts").where(same)
    return any(
        content_of(row.settings) == content_of(base.settings)
        and row.recall < settings.target_recall <= (target_of(row.settings) or 0)
        and rows <= row.prompts * settings.refit_growth
        for row in whole.collect()
    )


def outgrown(fitted: int, rows: int, factory: str, settings: IndexSettings) -> bool:
    """Tell whether a pool is too large for what was fitted on a smaller one.

    Args:
        fitted: prompts that the query map and the lists were fitted on.
        rows: prompts in the pool.
        factory: the FAISS factory of the version before.
        settings: `refit_growth` says how far a pool may grow, `flat_below` how large it may be
            without lists.
    """
    flat_is_too_slow = factory == FLAT and settings.kind == "auto" and rows > settings.flat_below
    return flat_is_too_slow or rows > fitted * settings.refit_growth


def to_rewrite(sizes: Mapping[int, int], outdated: set[int], new: int, full: int) -> set[int]:
    """Choose the shards whose prompts are written again, with the new ones.

    Args:
        sizes: prompts of each shard.
        outdated: shards with prompts that are no longer in the pool.
        new: prompts that no shard holds.
        full: prompts of a full shard, which is written again only if it is outdated.
    """
    chosen = set(outdated)
    writing = new + sum(sizes[shard] for shard in chosen)
    for shard in sorted(set(sizes) - chosen, key=lambda shard: (sizes[shard], shard)):
        if sizes[shard] > writing or sizes[shard] >= full:
            break
        chosen.add(shard)
        writing += sizes[shard]
    return chosen
