"""Building one version of the index: query map, shards, measured recall, active pointer."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from promptknn.encoders.models import Models
from promptknn.index.active import activate
from promptknn.index.content import recorded
from promptknn.index.factory import choose, choose_by_sample, lists_of, train
from promptknn.index.fit import fit_query_map, fit_text_map
from promptknn.index.fitted import Fitted
from promptknn.index.growth import Growth
from promptknn.index.shard_writer import UNFINISHED
from promptknn.index.training_sample import one_key, training_sample
from promptknn.index.tuned import Tuned
from promptknn.index.tuning import Tuner
from promptknn.index.version import QUERY_MAP_FOLDER, index_location
from promptknn.index.write_shards import RESCORING_COLUMN, SCHEMA, write_shards
from promptknn.settings import settings_hash
from promptknn.stage import Context, Counts
from promptknn.table import sql_text
from promptknn.tables import INDEX_SHARDS, INDEX_VERSIONS, PROMPT_EMBEDDINGS
from promptknn.waves import smallest_keys

# The maps have fewer than a million numbers each: more prompts tell nothing more of them, and take
# a look at every vector.
_FITTED_ROWS = 2_000_000


@dataclass(frozen=True)
class Missed:
    """A whole version of the same prompts that misses the target recall: its row, and by what."""

    row: Row
    tuned: Tuned


@dataclass(frozen=True)
class VersionBuild:
    """One version to be built: its shards, its recall, its row.

    Attributes:
        context: has the settings and the lake.
        tuner: chooses its lists.
        models: whose vectors it holds.
        second: models that score neighbours again, if any.
        pool: the prompts it holds, as `pool_of` gives them.
        rows: how many.
        digest: of their ids.
        identity: hash of models, settings and prompts.
        growth: what it keeps of the version before; None where all of it is made anew.
        missed: the version that it is built instead of, if any.
    """

    context: Context
    tuner: Tuner
    models: Models
    second: Models | None
    pool: DataFrame
    rows: int
    digest: str
    identity: str
    growth: Growth | None
    missed: Missed | None

    @property
    def version(self) -> str:
        """Named by what it holds, and what it comes from: the same again for the same run."""
        if self.growth is not None:
            return settings_hash(self.identity, self.growth.base.index_version)
        if self.missed is not None:
            return settings_hash(self.identity, "instead of", self.missed.row.index_version)
        return self.identity

    @property
    def folder(self) -> Path:
        """Where its shards lie."""
        return index_location(self.context.settings) / self.version

    def run(self) -> Counts:
        """Write it, measure it, and make it the active one.

        Raises:
            RecallError: it misses the target recall, or would.
        """
        lake, base = self.context.lake, self.growth.base if self.growth else None
        fitted, factory = self._fitted()
        if self.missed is not None and self.missed.row.factory == factory:
            # It would miss the target as the one did that is there.
            self.tuner.check(self.missed.row.index_version, self.missed.tuned)
        # Left by a build of the same version that was killed, or whose files were damaged.
        shutil.rmtree(self.folder, ignore_errors=True)
        lake.sql(f"DELETE FROM {{0}} WHERE index_version = {sql_text(self.version)}", INDEX_SHARDS)
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
            "k_factor": tuned.k_factor,
            "recall": tuned.recall,
            "recall_queries": tuned.judged_by,
            "recall_k": tuned.k,
            "query_map": query_map.kind,
            "settings": recorded(self.context.settings.index),
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
        settings = self.context.settings.index
        some = self.pool.where(smallest_keys("prompt_id", self.rows, _FITTED_ROWS))
        query_map = fit_query_map(some, self.models, settings, self.tuner.images())
        text_map = None if self.models.text_tower_is_sentence_model else fit_text_map(some)
        factory = choose(self.rows, len(query_map.pool_mean), settings)
        if lists_of(factory):
            wanted = settings.training_rows
            sample = training_sample(self.pool, self.rows, query_map, wanted)
            queries, _ = self.tuner.queries(query_map)
            factory = choose_by_sample(self.rows, sample, queries, self.tuner.k, settings)
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
        settings = self.context.settings.index
        shards = settings.shards or -(-rows // settings.rows_per_shard)
        # Ids are hashes: equal ranges of their first 32 bits are shards of about equal size.
        start = F.conv(F.substring("prompt_id", 1, 8), 16, 10).cast("bigint")
        shard_id = (F.floor(start * shards / F.lit(2**32)) + first).cast("int")
        second = [RESCORING_COLUMN] if self.second else []
        columns = ["prompt_id", "text", "clip_embedding", "sentence_embedding", *second]
        write = write_shards(fitted, self.folder, bool(second), settings.host_cache)
        return (
            pool.select(shard_id.alias("shard_id"), *columns)
            .repartitionByRange(shards, "shard_id")
            .sortWithinPartitions("shard_id", "prompt_id")
            .mapInArrow(write, SCHEMA)
            .toArrow()
        )
