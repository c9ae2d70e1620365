"""The stage that builds an index version: query map, shards, measured recall, active pointer."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import faiss
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.arrow_vectors import from_arrow
from promptknn.encoders.encoder import Vectors
from promptknn.encoders.models import Models
from promptknn.errors import MissingInputError, PromptKnnError
from promptknn.index.active import activate, handle_of, is_whole
from promptknn.index.factory import choose, nprobe_candidates, train
from promptknn.index.fit import fit_query_map, fit_text_map
from promptknn.index.pool import digest_of, pool_of
from promptknn.index.query_map import FILE, QueryMap
from promptknn.index.recall import exact_similarities, found_similarities, recall
from promptknn.index.shard_writer import sha256
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
_NOT_CONTENT = frozenset({"location", "cache", "distribution", "broadcast_below_bytes"})


class BuildIndex(Stage):
    """prompts + prompt_embeddings - near_duplicates -> shards, index_shards, index_versions."""

    name = "build_index"
    inputs = (PROMPTS, PROMPT_EMBEDDINGS, NEAR_DUPLICATES)
    outputs = (INDEX_SHARDS, INDEX_VERSIONS, IMAGE_EMBEDDINGS, NEAR_DUPLICATES)

    def run(self, context: Context) -> Counts:
        lake, settings = context.lake, context.settings
        models, second = Models.of(settings), Models.rescoring_of(settings)
        pool = pool_of(lake, models, second, settings.deduplication)
        rows, digest = digest_of(pool)
        if rows == 0:
            raise MissingInputError(
                f"The lake {settings.lake} has no embedded prompts of these models: run "
                f"jobs/build_index.py without --only, and look into rejected_prompts."
            )
        content = settings.index.model_dump_json(exclude=set(_NOT_CONTENT))
        identity = [models.clip_identity, models.sentence_identity, digest, str(rows), content]
        version = settings_hash(*identity, *([second.clip_identity] if second else []))
        if is_whole(lake, settings, version):
            activate(lake, version)
            return Counts(message=f"index {version} is up to date, {rows:,} prompts")
        return _Build(context, models, second, pool, rows, digest, version, content).run()


@dataclass(frozen=True)
class _Build:
    context: Context
    models: Models
    second: Models | None
    pool: DataFrame
    rows: int
    digest: str
    version: str
    content: str

    @property
    def settings(self) -> IndexSettings:
        return self.context.settings.index

    @property
    def root(self) -> Path:
        return index_location(self.context.settings)

    def run(self) -> Counts:
        lake = self.context.lake
        # Left by a build of the same version that was killed, or whose files were damaged.
        shutil.rmtree(self.root / self.version, ignore_errors=True)
        query_map = fit_query_map(self.pool, self.models, self.settings, self._images())
        map_files = self._save_map(query_map)
        choice = choose(self.rows, self.settings)
        template = train(choice, self._sample(query_map, choice.lists))
        lake.replace(INDEX_SHARDS, self._write_shards(query_map, template))
        nprobe, measured, k, judged_by = self._tune(query_map, map_files, choice.lists)
        row = {
            "index_version": self.version,
            "clip_model": self.models.clip_identity,
            "sentence_model": self.models.sentence_identity,
            "rescoring_model": self.second.clip_identity if self.second else None,
            "prompts": self.rows,
            "prompts_digest": self.digest,
            "prompt_embeddings_version": lake.version(PROMPT_EMBEDDINGS),
            "factory": choice.factory,
            "nprobe": nprobe,
            "recall": measured,
            "recall_queries": judged_by,
            "recall_k": k,
            "query_map": query_map.kind,
            "settings": self.content,
            "files": map_files,
            "active": False,
        }
        schema = INDEX_VERSIONS.schema(*row)
        frame = lake.spark.createDataFrame([tuple(row.values())], schema)
        lake.replace(INDEX_VERSIONS, frame.withColumn("built_at", F.current_timestamp()))
        if measured >= self.settings.target_recall:
            activate(lake, self.version)
        else:
            raise PromptKnnError(
                f"Index {self.version} has a measured recall@{k} of {measured:.3f}, under "
                f"`index.target_recall` {self.settings.target_recall}: the index before it stays "
                f"active; lower the target or set `index.kind` to flat."
            )
        message = (
            f"index {self.version}, {self.rows:,} prompts, {choice.factory}, "
            f"{query_map.kind} query map, recall@{k} {measured:.3f} by {judged_by}"
        )
        return Counts(rows_in=self.rows, rows_out=self.rows, message=message)

    def _save_map(self, query_map: QueryMap) -> dict[str, str]:
        folder = self.root / self.version / QUERY_MAP_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        query_map.save(folder)
        return {FILE: sha256(folder / FILE)}

    def _sample(self, query_map: QueryMap, lists: int) -> Vectors:
        """Take the prompts with the smallest ids (a random sample: ids are hashes)."""
        wanted = self.settings.training_rows if lists else 1
        texts = self.pool.select("prompt_id", "clip_embedding").orderBy("prompt_id").limit(wanted)
        return query_map.keys(from_arrow(texts.toArrow().column("clip_embedding")))

    def _write_shards(self, query_map: QueryMap, template: faiss.Index) -> DataFrame:
        shards = self.settings.shards or -(-self.rows // self.settings.rows_per_shard)
        # Ids are hashes: equal ranges of their first 32 bits are shards of about equal size.
        start = F.conv(F.substring("prompt_id", 1, 8), 16, 10).cast("bigint")
        shard_id = F.floor(start * shards / F.lit(2**32)).cast("int")
        text_map = None if self.models.text_tower_is_sentence_model else fit_text_map(self.pool)
        serialised = faiss.serialize_index(template)
        second = self.second is not None
        writer = write_shards(query_map, text_map, serialised, self.root, self.version, second)
        columns = ["prompt_id", "text", "clip_embedding", "sentence_embedding"]
        written = (
            self.pool.select(
                shard_id.alias("shard_id"), *columns, *([RESCORING_COLUMN] if second else [])
            )
            .repartitionByRange(shards, "shard_id")
            .sortWithinPartitions("shard_id", "prompt_id")
            .mapInArrow(writer, SCHEMA)
            .toArrow()
        )  # fmt: skip
        return (
            self.context.spark.createDataFrame(written)
            .withColumn("index_version", F.lit(self.version))
            .withColumn("built_at", F.current_timestamp())
        )

    def _tune(
        self, query_map: QueryMap, map_files: dict[str, str], lists: int
    ) -> tuple[int, float, int, str]:
        """Find the fewest lists to probe that reach the target recall."""
        queries, judged_by = self._queries(query_map)
        k = min(self.context.settings.prediction.k, self.rows)
        exact = exact_similarities(self.pool, query_map, queries, k)
        measured, nprobe = 0.0, 0
        for nprobe in nprobe_candidates(lists):
            handle = handle_of(
                self.context.lake, self.context.settings, self.version, map_files, nprobe
            )
            found = found_similarities(self.context.spark, handle, queries, k)
            measured = recall(found, exact)
            if measured >= self.settings.target_recall:
                break
        return nprobe, measured, k, judged_by

    def _images(self) -> DataFrame:
        images = self.context.lake.read(IMAGE_EMBEDDINGS)
        return images.where(F.col("clip_model") == self.models.clip_identity)

    def _queries(self, query_map: QueryMap) -> tuple[Vectors, str]:
        """Take image embeddings where there are any: text queries overstate recall."""
        wanted = self.settings.recall_queries
        found = self._images().orderBy("image_id").limit(wanted).select("embedding").toArrow()
        if found.num_rows:
            vectors = query_map.queries(from_arrow(found.column("embedding")))
            return vectors, f"{found.num_rows} images"
        texts = self.pool.orderBy(F.desc("prompt_id")).limit(wanted).select("clip_embedding")
        vectors = query_map.keys(from_arrow(texts.toArrow().column("clip_embedding")))
        return vectors, f"{len(vectors)} prompts"
