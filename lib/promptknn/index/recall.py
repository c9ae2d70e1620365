"""Measuring recall@k: what an index finds, against exact search over the pool."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from promptknn.arrow_vectors import from_arrow, to_arrow
from promptknn.encoders.encoder import Vectors
from promptknn.index.distribution import IndexHandle
from promptknn.index.query_map import QueryMap

# Similarities of one pair differ in the last bits between BLAS kernels.
_TOLERANCE = 1e-5
_MOST_PARTS = 64


def recall(found: Vectors, exact: Vectors) -> float:
    """Share of the k nearest neighbours that were found, ties counted as found.

    Args:
        found: float32, (n, k), similarities of what the index gave, best first.
        exact: float32, (n, k), similarities of the true neighbours, best first.

    Returns:
        Recall@k, 0 to 1.
    """
    enough = found >= exact[:, -1:] - _TOLERANCE
    return float(enough.mean()) if enough.size else 1.0


def exact_similarities(pool: DataFrame, query_map: QueryMap, queries: Vectors, k: int) -> Vectors:
    """Search the whole pool, partition by partition.

    Args:
        pool: a column clip_embedding.
        query_map: takes prompts to keys.
        queries: float32, (n, d), unit rows.
        k: neighbours a query.

    Returns:
        float32, (n, k), similarities, best first.
    """
    parts = (
        pool.select("clip_embedding")
        .coalesce(_MOST_PARTS)
        .mapInArrow(_best_of_part(query_map, queries, k), "similarities array<float>")
    )
    return _best(parts, queries, k)


def found_similarities(
    spark: SparkSession, handle: IndexHandle, queries: Vectors, k: int
) -> Vectors:
    """Search the index inside Spark tasks, a shard each: float32, (n, k), best first."""

    def search(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column("id").to_pylist():
                found = handle.part([number]).open().search_queries(queries, k).similarities
                full = np.full((len(queries), k), -np.inf, dtype=np.float32)
                full[:, : found.shape[1]] = found
                yield pa.RecordBatch.from_arrays([to_arrow(full.reshape(1, -1))], ["similarities"])

    shards = spark.range(0, len(handle.shards), numPartitions=len(handle.shards))
    return _best(shards.mapInArrow(search, "similarities array<float>"), queries, k)


def _best(parts: DataFrame, queries: Vectors, k: int) -> Vectors:
    """Merge partial answers: float32, (n, k)."""
    every = from_arrow(parts.toArrow().column("similarities")).reshape(-1, len(queries), k)
    return -np.sort(-np.concatenate(list(every), axis=1), axis=1)[:, :k]


def _best_of_part(
    query_map: QueryMap, queries: Vectors, k: int
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def search(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        best = np.full((len(queries), k), -np.inf, dtype=np.float32)
        for batch in batches:
            if batch.num_rows:
                keys = query_map.keys(from_arrow(batch.column("clip_embedding")))
                both = np.concatenate([best, queries @ keys.T], axis=1)
                best = -np.sort(-np.partition(both, -k, axis=1)[:, -k:], axis=1)
        yield pa.RecordBatch.from_arrays([to_arrow(best.reshape(1, -1))], ["similarities"])

    return search
