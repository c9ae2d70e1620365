"""The stage that sets near duplicates apart, so that the index holds each idea once."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.arrow_vectors import in_order
from promptknn.cleaning.policy import forbidden_prompts
from promptknn.deduplication.decided import decided, forget_decided
from promptknn.deduplication.kept_vectors import KeptVectors, Texts
from promptknn.deduplication.near import NONE, greedy
from promptknn.deduplication.pairs import Similarities
from promptknn.deduplication.pruning import (
    SMALLEST_SAMPLE,
    Search,
    exact_search,
    pruned_search,
    sample_for,
)
from promptknn.encoders.embed_prompts import of_models
from promptknn.encoders.encoder import Vectors
from promptknn.encoders.models import Models
from promptknn.index.build_lock import build_lock
from promptknn.index.version import index_location
from promptknn.settings import Settings
from promptknn.stage import Context, Counts, Stage
from promptknn.table import Table
from promptknn.tables import KEPT_PROMPTS, NEAR_DUPLICATES, PROMPT_EMBEDDINGS
from promptknn.vector_sample import vector_sample
from promptknn.waves import Missing, Wave, plan_waves

_SCRATCH = "near-duplicates"


class FindNearDuplicates(Stage):
    """prompt_embeddings -> kept_prompts + near_duplicates, block by block in order of prompt_id.

    A block is compared with every prompt kept before it, in parallel; what is left of it is then
    decided by `greedy`. Prompts that an earlier run decided come before all others and stay as
    they are; those that the policy forbids are compared with nothing. Driver and tasks hold one
    block of vectors each, whatever the number of prompts.
    """

    name = "find_near_duplicates"
    inputs = (PROMPT_EMBEDDINGS,)
    outputs = (KEPT_PROMPTS, NEAR_DUPLICATES)

    def check(self, settings: Settings) -> None:
        if settings.deduplication.similarity is not None:
            index_location(settings)

    def run(self, context: Context) -> Counts:
        if context.settings.deduplication.similarity is None:
            return Counts(message="`deduplication.similarity` is null, every prompt stays")
        location = index_location(context.settings)
        with build_lock(location):
            # Left there by a run that was killed.
            shutil.rmtree(location / _SCRATCH, ignore_errors=True)
            return self._decide(context, location / _SCRATCH)

    def _decide(self, context: Context, scratch: Path) -> Counts:
        settings, lake = context.settings.deduplication, context.lake
        assert settings.similarity is not None, "near duplicates are looked for"
        models = Models.of(context.settings)
        embeddings = of_models(lake.read(PROMPT_EMBEDDINGS), models)
        forbidden = forbidden_prompts(lake, context.settings.policy)
        if forbidden is not None:
            forget_decided(lake, forbidden)
            embeddings = embeddings.join(forbidden, "prompt_id", "left_anti")
        kept = decided(lake, KEPT_PROMPTS, models, settings)
        dropped = decided(lake, NEAR_DUPLICATES, models, settings)
        before = kept.union(dropped)
        # Where nothing was decided before, the vectors go through no join.
        new = before.isEmpty()
        pending = embeddings if new else embeddings.join(before, "prompt_id", "left_anti")
        missing = Missing.of(pending, "prompt_id")
        if missing.rows == 0:
            return Counts(message=f"nothing new, {dropped.count():,} near duplicates")
        earlier = embeddings.join(kept, "prompt_id", "left_semi")
        try:
            return _Run(
                context=context,
                models=models,
                threshold=settings.similarity,
                pending=pending,
                earlier=earlier,
                missing=missing,
                kept_earlier=0 if new else kept.count(),
                scratch=scratch,
            ).run()
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


@dataclass(frozen=True)
class _Run:
    """One run: `pending` embeddings are decided, `earlier` ones were kept by runs before."""

    context: Context
    models: Models
    threshold: float
    pending: DataFrame
    earlier: DataFrame
    missing: Missing
    kept_earlier: int
    scratch: Path

    @property
    def todo(self) -> int:
        """How many prompts are decided."""
        return self.missing.rows

    def run(self) -> Counts:
        per_block = self.context.settings.deduplication.prompts_per_block
        waves = list(plan_waves(self.missing, per_block))
        kept_vectors, done, dropped = None, 0, 0
        for wave in waves:
            self.context.progress(done, self.todo)
            prompt_ids, vectors = _in_order(self.pending.where(wave.condition("prompt_id")))
            done += len(prompt_ids)
            if len(prompt_ids):
                kept_vectors = kept_vectors or self._kept_vectors(vectors)
                last = wave is waves[-1]
                dropped += self._decide(wave, prompt_ids, vectors, kept_vectors, last)
            # The next block is read before its names are given to it.
            del prompt_ids, vectors
        share = f"{dropped:,} of {self.todo:,} prompts are near duplicates"
        how = kept_vectors.search if kept_vectors else "nothing compared"
        message = f"{share} (cosine above {self.threshold}; {how})"
        return Counts(self.todo, self.todo - dropped, dropped, message)

    def _decide(
        self,
        wave: Wave,
        prompt_ids: Texts,
        vectors: Vectors,
        kept_vectors: KeptVectors,
        last: bool,
    ) -> int:
        """Decide a block, and give how many of it are near duplicates."""
        block = kept_vectors.search.block(vectors)
        similarities, keepers = kept_vectors.closest(block, self.threshold)
        found = greedy(block, self.threshold, similarities)
        here = found.keeper != NONE
        keepers[here] = prompt_ids[found.keeper[here]]
        out = ~found.kept
        dropped = self._write_dropped(wave, prompt_ids[out], keepers[out], found.similarity[out])
        self._write_kept(wave, prompt_ids[found.kept])
        if not last:
            kept_vectors.add(prompt_ids[found.kept], block, np.flatnonzero(found.kept))
        return dropped

    def _kept_vectors(self, first_block: Vectors) -> KeptVectors:
        search = self._choose(self.kept_earlier + self.todo, first_block)
        kept_vectors = KeptVectors(self.context.spark, self.scratch, search)
        if self.kept_earlier:
            kept_vectors.add_frame(self.earlier)
        return kept_vectors

    def _choose(self, rows: int, first_block: Vectors) -> Search:
        settings = self.context.settings.deduplication
        if rows <= settings.exact_below:
            return exact_search()
        # A block is what the driver holds anyhow.
        wanted = min(sample_for(rows), max(settings.prompts_per_block, SMALLEST_SAMPLE))
        if not self.kept_earlier and len(first_block) >= min(wanted, SMALLEST_SAMPLE):
            # In the order of the ids, which are hashes.
            sample = first_block[:wanted]
        else:
            every = self.pending.union(self.earlier)
            sample = vector_sample(every, "sentence_embedding", rows, wanted)
        return pruned_search(rows, sample, self.threshold, settings.target_recall)

    def _write_dropped(
        self, wave: Wave, prompt_ids: Texts, keepers: Texts, similarities: Similarities
    ) -> int:
        # Written before the kept ones: a run that is killed in between finds the same prompts
        # kept, for what is dropped drops nothing.
        rows = {
            "prompt_id": pa.array(prompt_ids, pa.string()),
            "kept_prompt_id": pa.array(keepers, pa.string()),
            "similarity": pa.array(similarities, pa.float64()),
        }
        return self._insert(NEAR_DUPLICATES, wave, rows) if len(prompt_ids) else 0

    def _write_kept(self, wave: Wave, prompt_ids: Texts) -> None:
        if len(prompt_ids):
            self._insert(KEPT_PROMPTS, wave, {"prompt_id": pa.array(prompt_ids, pa.string())})

    def _insert(self, table: Table, wave: Wave, rows: dict[str, pa.Array]) -> int:
        frame = (
            self.context.spark.createDataFrame(pa.table(rows))
            .withColumn("sentence_model", F.lit(self.models.sentence_identity))
            .withColumn("threshold", F.lit(self.threshold))
            .withColumn("decided_at", F.current_timestamp())
        )
        return self.context.lake.insert(table, frame, wave.condition("t.prompt_id"))


def _in_order(frame: DataFrame) -> tuple[Texts, Vectors]:
    """Read a block of prompt_id and sentence_embedding, sorted by prompt_id."""
    block = frame.select("prompt_id", "sentence_embedding").toArrow()
    return in_order(block, "prompt_id", "sentence_embedding")
