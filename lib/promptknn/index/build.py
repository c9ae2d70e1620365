"""The stage that builds an index version: query map, shards, measured recall, active pointer."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.cleaning.policy import forbidden_prompts
from promptknn.encoders.models import Models
from promptknn.errors import MissingInputError
from promptknn.index.active import activate, is_whole
from promptknn.index.build_lock import build_lock
from promptknn.index.factory import choose, choose_by_sample, lists_of, train
from promptknn.index.fit import fit_query_map, fit_text_map
from promptknn.index.fitted import Fitted
from promptknn.index.growth import Growth, growth_of
from promptknn.index.owner import claim
from promptknn.index.pool import digest_of, pool_of
from promptknn.index.shard_writer import UNFINISHED
from promptknn.index.training_sample import one_key, training_sample
from promptknn.index.tuning import Tuner
from promptknn.index.version import QUERY_MAP_FOLDER, index_location
from promptknn.index.write_shards import RESCORING_COLUMN, SCHEMA, write_shards
from promptknn.settings import IndexSettings, settings_hash
from promptknn.stage import Context, Counts, Stage
from promptknn.tables import (
    IMAGE_EMBEDDINGS,
    INDEX_SHARDS,
    INDEX_VERSIONS,
    NEAR_DUPLICATES,
    PROMPT_EMBEDDINGS,
    PROMPTS,
)

# Keys of IndexSettings that change where an index lies or how it travels, not what it is.
_NOT_CONTENT = frozenset({
    "location", "cache", "distribution", "broadcast_below_bytes", "search",
    "replicated_below_bytes", "group_bytes", "refit_growth",
})  # fmt: skip


class BuildIndex(Stage):
    """prompts + prompt_embeddings - near_duplicates -> shards, index_shards, index_versions."""

    name = "build_index"
    inputs = (PROMPTS, PROMPT_EMBEDDINGS, NEAR_DUPLICATES)
    outputs = (INDEX_SHARDS, INDEX_VERSIONS, IMAGE_EMBEDDINGS, NEAR_DUPLICATES)

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
        content = settings.index.model_dump_json(exclude=set(_NOT_CONTENT))
        identity = [models.clip_identity, models.sentence_identity, digest, str(rows), content]
        identity += [second.clip_identity] if second else []
        version = settings_hash(*identity)
        same = lake.read(INDEX_VERSIONS).where(
            (F.col("identity") == version) & (F.col("recall") >= settings.index.target_recall)
        )
        for known in same.orderBy(F.desc("active"), F.desc("built_at")).collect():
            if is_whole(lake, settings, known.index_version):
                k = min(settings.prediction.k, rows)
                name, again = Tuner(context, models, pool, k).tune_again(known)
                activate(lake, name)
                message = f"index {name} is up to date, {rows:,} prompts{again}"
                return Counts(message=message + _kept_out(forbidden))
        growth = growth_of(lake, settings, models, second, content, pool, rows)
        build = _Build(context, models, second, pool, rows, digest, version, content, growth)
        counts = build.run()
        return replace(counts, message=counts.message + _kept_out(forbidden))


def _kept_out(forbidden: DataFrame | None) -> str:
    return "" if forbidden is None else f", {forbidden.count():,} prompts kept out by `policy`"


@dataclass(frozen=True)
class _Build:
    context: Context
    models: Models
    second: Models | None
    pool: DataFrame
    rows: int
    digest: str
    identity: str
    content: str
    growth: Growth | None

    @property
    def settings(self) -> IndexSettings:
        return self.context.settings.index

    @property
    def version(self) -> str:
        """Named by what it holds, and by what it grew from: the same again for the same run."""
        if self.growth is None:
            return self.identity
        return settings_hash(self.identity, self.growth.base.index_version)

    @property
    def folder(self) -> Path:
        return index_location(self.context.settings) / self.version

    @property
    def tuner(self) -> Tuner:
        k = min(self.context.settings.prediction.k, self.rows)
        return Tuner(self.context, self.models, self.pool, k)

    def run(self) -> Counts:
        lake, base = self.context.lake, self.growth.base if self.growth else None
        # Left by a build of the same version that was killed, or whose files were damaged.
        shutil.rmtree(self.folder, ignore_errors=True)
        fitted, factory = self._fitted()
        files = fitted.save(self.folder / QUERY_MAP_FOLDER)
        lake.replace(INDEX_SHARDS, self._shards(fitted))
        # Left by a task whose worker was killed, and that Spark tried again.
        for unfinished in self.folder.glob(f"{UNFINISHED}*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        query_map = fitted.query_map
        tuned = self.tuner.tune(self.version, query_map, files, factory)
        row = {
            "index_version": self.version,
            "identity": self.identity,
            "grown_from": base.index_version if base else None,
            "clip_model": self.models.clip_identity,
            "sentence_model": self.models.sentence_identity,
            "rescoring_model": self.second.clip_identity if self.second else None,
            "prompts": self.rows,
            "fitted_prompts": base.fitted_prompts if base else self.rows,
            "prompts_digest": self.digest,
            "prompt_embeddings_version": lake.version(PROMPT_EMBEDDINGS),
            "factory": factory,
            "nprobe": tuned.nprobe,
            "recall": tuned.recall,
            "recall_queries": tuned.judged_by,
            "recall_k": tuned.k,
            "query_map": query_map.kind,
            "settings": self.content,
            "files": files,
            "active": False,
        }
        schema = INDEX_VERSIONS.schema(*row)
        frame = lake.spark.createDataFrame([tuple(row.values())], schema)
        lake.replace(INDEX_VERSIONS, frame.withColumn("built_at", F.current_timestamp()))
        self.tuner.check(self.version, tuned)
        activate(lake, self.version)
        return Counts(self.rows, self.rows, message=(
            f"index {self.version}, {self.rows:,} prompts{self._grown()}, {factory}, "
            f"{query_map.kind} query map, {tuned}"
        ), figures={"recall": tuned.recall, "nprobe": tuned.nprobe})  # fmt: skip

    def _grown(self) -> str:
        if self.growth is None:
            return ""
        return f" ({self.growth.rows:,} written, {len(self.growth.kept)} shards stay)"

    def _fitted(self) -> tuple[Fitted, str]:
        if self.growth is not None:
            base = self.growth.base
            root = index_location(self.context.settings)
            return Fitted.load(root / base.index_version / QUERY_MAP_FOLDER), base.factory
        query_map = fit_query_map(self.pool, self.models, self.settings, self.tuner.images())
        text_map = None if self.models.text_tower_is_sentence_model else fit_text_map(self.pool)
        factory = choose(self.rows, len(query_map.pool_mean), self.settings)
        if lists_of(factory):
            wanted = self.settings.training_rows
            sample = training_sample(self.pool, self.rows, query_map, wanted)
            queries, _ = self.tuner.queries(query_map)
            factory = choose_by_sample(self.rows, sample, queries, self.tuner.k, self.settings)
        else:
            sample = one_key(self.pool, query_map)
        return Fitted(query_map, text_map, train(factory, sample)), factory

    def _shards(self, fitted: Fitted) -> DataFrame:
        """Write shards; give the rows of index_shards, those of the shards that stay included."""
        spark, growth = self.context.spark, self.growth
        kept = growth.kept if growth else []
        pool, rows = (growth.pending, growth.rows) if growth else (self.pool, self.rows)
        first = growth.next_shard if growth else 0
        staying = [(row.shard_id, row.prompts, row.path, row.bytes, row.files) for row in kept]
        shards = spark.createDataFrame(staying, SCHEMA)
        if rows:
            shards = shards.union(spark.createDataFrame(self._write(fitted, pool, rows, first)))
        return shards.withColumn("index_version", F.lit(self.version)).withColumn(
            "built_at", F.current_timestamp()
        )

    def _write(self, fitted: Fitted, pool: DataFrame, rows: int, first: int) -> pa.Table:
        shards = self.settings.shards or -(-rows // self.settings.rows_per_shard)
        # Ids are hashes: equal ranges of their first 32 bits are shards of about equal size.
        start = F.conv(F.substring("prompt_id", 1, 8), 16, 10).cast("bigint")
        shard_id = (F.floor(start * shards / F.lit(2**32)) + first).cast("int")
        second = [RESCORING_COLUMN] if self.second else []
        columns = ["prompt_id", "text", "clip_embedding", "sentence_embedding", *second]
        return (
            pool.select(shard_id.alias("shard_id"), *columns)
            .repartitionByRange(shards, "shard_id")
            .sortWithinPartitions("shard_id", "prompt_id")
            .mapInArrow(
                write_shards(fitted, self.folder, bool(second), self.settings.host_cache), SCHEMA
            )
            .toArrow()
        )
