"""The stage that builds an index version: query map, shards, measured recall, active pointer."""

from dataclasses import replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.cleaning.policy import forbidden_prompts
from promptknn.encoders.models import Models
from promptknn.errors import MissingInputError, RecallError
from promptknn.index.active import activate
from promptknn.index.build_lock import build_lock
from promptknn.index.content import content_of, recorded
from promptknn.index.damage import damaged_folders
from promptknn.index.growth import fitting_is_in_vain, growth_of
from promptknn.index.owner import claim
from promptknn.index.pool import digest_of, pool_of
from promptknn.index.tuned import Tuned
from promptknn.index.tuning import Tuner
from promptknn.index.version import index_location
from promptknn.index.version_build import Missed, VersionBuild
from promptknn.settings import Settings, settings_hash
from promptknn.stage import Context, Counts, Stage
from promptknn.tables import (
    IMAGE_EMBEDDINGS,
    INDEX_SHARDS,
    INDEX_VERSIONS,
    NEAR_DUPLICATES,
    PROMPT_EMBEDDINGS,
    PROMPTS,
)


class BuildIndex(Stage):
    """prompts + prompt_embeddings - near_duplicates -> shards, index_shards, index_versions."""

    name = "build_index"
    inputs = (PROMPTS, PROMPT_EMBEDDINGS, NEAR_DUPLICATES)
    outputs = (INDEX_SHARDS, INDEX_VERSIONS, IMAGE_EMBEDDINGS, NEAR_DUPLICATES)

    def check(self, settings: Settings) -> None:
        index_location(settings)

    def run(self, context: Context) -> Counts:
        with build_lock(index_location(context.settings)):
            claim(context.settings)
            return self._build(context)

    def _build(self, context: Context) -> Counts:
        lake, settings = context.lake, context.settings
        models, second = Models.of(settings), Models.rescoring_of(settings)
        forbidden = forbidden_prompts(lake, settings.policy)
        pool = pool_of(lake, models, second, settings.deduplication, forbidden)
        rows, digest = digest_of(pool)
        if rows == 0:
            raise MissingInputError(
                f"The lake {settings.lake} has no embedded prompts of these models: run "
                f"jobs/build_index.py without --only, and look into rejected_prompts."
            )
        content = content_of(recorded(settings.index))
        identity = [models.clip_identity, models.sentence_identity, digest, str(rows), content]
        identity += [second.clip_identity] if second else []
        version = settings_hash(*identity)
        tuner = Tuner(context, models, pool, min(settings.prediction.k, rows))
        same = lake.read(INDEX_VERSIONS).where(F.col("identity") == version)
        missed = None
        for known in same.orderBy(F.desc("active"), F.desc("built_at")).collect():
            if damaged_folders(lake, settings, known):
                continue
            name, tuned = tuner.tuned_again(known)
            if tuned.recall >= settings.index.target_recall:
                activate(lake, name)
                chosen = f", {tuned} on {tuned.nprobe} lists, chosen anew"
                if name != known.index_version:
                    # Nothing else tells why old predictions have no cosine to their truth any more.
                    chosen += " (earlier predictions stay those of before: prediction.repredict)"
                again = "" if tuned == Tuned.of(known) else chosen
                message = f"index {name} is up to date, {rows:,} prompts{again}"
                return Counts(message=message + _kept_out(forbidden))
            # One that grew was searched on maps and lists of fewer prompts: it proves nothing.
            if known.fitted_prompts == known.prompts:
                missed = missed or Missed(known, tuned)
        growth = None
        if missed is None:
            growth = growth_of(lake, settings, models, second, content, pool, rows)
        build = VersionBuild(
            context, tuner, models, second, pool, rows, digest, version, growth, missed
        )
        try:
            counts = build.run()
        except RecallError:
            if growth is None or fitting_is_in_vain(lake, growth.base, rows, settings.index):
                raise
            # Fitted on all prompts it may reach what it missed on maps and lists of fewer.
            counts = replace(build, growth=None).run()
        return replace(counts, message=counts.message + _kept_out(forbidden))


def _kept_out(forbidden: DataFrame | None) -> str:
    return "" if forbidden is None else f", {forbidden.count():,} prompts kept out by `policy`"
