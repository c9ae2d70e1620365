"""Measuring recall@k: what an index finds, against exact search over the pool."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from promptknn.arrow_vectors import from_arrow, to_arrow
from promptknn.encoders.encoder import Vectors
from promptknn.index.distribution import IndexHandle
from promptknn.index.query_map import QueryMap
from promptknn.index.shard import Texts

# Similarities of one pair differ in the last bits between BLAS kernels.
_TOLERANCE = 1e-5
# The answers of all parts, a megabyte or two each, are merged by so many tasks before the driver.
_MERGING_TASKS = 4
_SCHEMA = "similarities array<float>, prompt_ids array<string>"


@dataclass(frozen=True)
class Answers:
    """The k prompts found for each of n queries, best first; places may stay empty.

    Attributes:
        similarities: float32, (n, k), -inf in an empty place.
        prompt_ids: str, (n, k), "" in an empty place.
    """

    similarities: Vectors
    prompt_ids: Texts

    @classmethod
    def none(cls, queries: int, k: int) -> "Answers":
        """Make answers whose every place is empty."""
        nothing = np.full((queries, k), -np.inf, dtype=np.float32)
        return cls(nothing, np.full((queries, k), "", dtype=object))

    def best_with(self, similarities: Vectors, prompt_ids: Texts) -> "Answers":
        """Take the k best of these and of others, (n, m) each, in any order."""
        both = np.concatenate([self.similarities, similarities], axis=1)
        names = np.concatenate([self.prompt_ids, prompt_ids], axis=1)
        k = self.similarities.shape[1]
        some = np.argpartition(-both, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(both, some, 1), axis=1, kind="stable")
        chosen = np.take_along_axis(some, order, 1)
        return Answers(np.take_along_axis(both, chosen, 1), np.take_along_axis(names, chosen, 1))


def recall(found: Answers, exact: Answers, similarities_are_exact: bool) -> float:
    """Share of the k nearest neighbours that were found.

    Args:
        found: what the index gave.
        exact: the true neighbours.
        similarities_are_exact: the index keeps whole vectors, so that a prompt which ties with the
            last true neighbour counts as found. Of quantised vectors the similarities say nothing.

    Returns:
        Recall@k, 0 to 1.
    """
    if not exact.similarities.size:
        return 1.0
    hits = np.array([
        np.isin(here.astype(str), true.astype(str))
        for here, true in zip(found.prompt_ids, exact.prompt_ids, strict=True)
    ])  # fmt: skip
    if similarities_are_exact:
        hits |= found.similarities >= exact.similarities[:, -1:] - _TOLERANCE
    return float(hits.mean())


def exact_answers(pool: DataFrame, query_map: QueryMap, queries: Vectors, k: int) -> Answers:
    """Search the whole pool, partition by partition.

    Args:
        pool: prompt_id and clip_embedding.
        query_map: takes prompts to keys.
        queries: float32, (n, d), unit rows.
        k: neighbours a query.
    """
    best_of_part = _best_of_part(query_map, queries, k)
    parts = pool.select("prompt_id", "clip_embedding").mapInArrow(best_of_part, _SCHEMA)
    # Not fewer parts from the start: the pool's joins would run in as few tasks.
    merged = parts.repartition(_MERGING_TASKS).mapInArrow(_merge(len(queries), k), _SCHEMA)
    return _best(merged.toArrow(), len(queries), k)


def found_answers(spark: SparkSession, handle: IndexHandle, queries: Vectors, k: int) -> Answers:
    """Search the index inside Spark tasks, a shard each."""

    def search(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column("id").to_pylist():
                found = handle.part([number]).open().search_queries(queries, k)
                none = Answers.none(len(queries), k)
                yield _to_arrow(none.best_with(found.similarities, found.prompt_ids))

    shards = spark.range(0, len(handle.shards), numPartitions=len(handle.shards))
    return _best(shards.mapInArrow(search, _SCHEMA).toArrow(), len(queries), k)


def _merge(queries: int, k: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def merge(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        best = Answers.none(queries, k)
        for batch in batches:
            some = _best(pa.Table.from_batches([batch]), queries, k)
            best = best.best_with(some.similarities, some.prompt_ids)
        yield _to_arrow(best)

    return merge


def _best(table: pa.Table, queries: int, k: int) -> Answers:
    """Merge partial answers."""
    similarities = from_arrow(table.column("similarities")).reshape(-1, queries, k)
    lists = table.column("prompt_ids").combine_chunks()
    prompt_ids = np.asarray(lists.flatten()).reshape(-1, queries, k)
    best = Answers.none(queries, k)
    for some, names in zip(similarities, prompt_ids, strict=True):
        best = best.best_with(some, names)
    return best


def _best_of_part(
    query_map: QueryMap, queries: Vectors, k: int
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def search(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        best = Answers.none(len(queries), k)
        for batch in batches:
            if batch.num_rows:
                keys = query_map.keys(from_arrow(batch.column("clip_embedding")))
                names = batch.column("prompt_id").to_numpy(zero_copy_only=False)
                similarities = queries @ keys.T
                most = min(k, len(names))
                some = np.argpartition(-similarities, most - 1, axis=1)[:, :most]
                best = best.best_with(np.take_along_axis(similarities, some, 1), names[some])
        yield _to_arrow(best)

    return search


def _to_arrow(answers: Answers) -> pa.RecordBatch:
    names: Sequence[str] = answers.prompt_ids.ravel().tolist()
    ends = pa.array([0, len(names)], pa.int32())
    prompt_ids = pa.ListArray.from_arrays(ends, pa.array(names, pa.string()))
    columns = [to_arrow(answers.similarities.reshape(1, -1)), prompt_ids]
    return pa.RecordBatch.from_arrays(columns, ["similarities", "prompt_ids"])
