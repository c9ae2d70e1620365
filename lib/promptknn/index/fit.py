"""Fitting the query map on the pool: sums over partitions, added up on the driver."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from promptknn.arrow_vectors import from_arrow
from promptknn.encoders.encoder import Vectors
from promptknn.encoders.models import Models
from promptknn.encoders.package_default import class_texts
from promptknn.index.query_map import (
    FEWEST_ROWS_FOR_RIDGE,
    Kind,
    QueryMap,
    RidgeSums,
    centred_class_vectors,
    conse_map,
    identity_map,
)
from promptknn.settings import IndexSettings

_MEAN = "rows bigint, total binary"
_SUMS = "rows bigint, profiles binary, outer_product binary, cross_product binary"
# The sums of a part are some 11 MB; so many parts fit the driver whatever the pool's size.
_MOST_PARTS = 32


def fit_query_map(pool: DataFrame, models: Models, settings: IndexSettings) -> QueryMap:
    """Fit the query map that the settings and the CLIP model ask for.

    Args:
        pool: a column clip_embedding.
        models: the pool's models.
        settings: `query_map` may force a kind.
    """
    kind = settings.query_map
    if kind == "auto" and not models.text_tower_is_sentence_model:
        kind = "identity"
    parts = pool.select("clip_embedding").coalesce(_MOST_PARTS)
    rows, mean = _mean(parts)
    if kind == "identity":
        return identity_map(len(mean))
    classes = centred_class_vectors(models.sentence_encoder().encode_texts(class_texts()))
    chosen: Kind = "ridge" if kind == "auto" else kind
    if kind == "auto" and rows < FEWEST_ROWS_FOR_RIDGE:
        chosen = "conse"
    if chosen == "conse":
        return conse_map(classes, mean)
    return _ridge_sums(parts, mean, classes).solve(mean)


def _mean(pool: DataFrame) -> tuple[int, Vectors]:
    found = pool.mapInArrow(_sum, _MEAN).toArrow()
    totals = [np.frombuffer(total, np.float64) for total in found.column("total").to_pylist()]
    rows = sum(found.column("rows").to_pylist())
    return rows, (np.sum(totals, axis=0) / rows).astype(np.float32)


def _sum(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    rows, total = 0, None
    for batch in batches:
        vectors = from_arrow(batch.column("clip_embedding")).astype(np.float64)
        if len(vectors):
            rows += len(vectors)
            total = vectors.sum(axis=0) + (0.0 if total is None else total)
    if total is not None:
        yield pa.RecordBatch.from_pydict({
            "rows": pa.array([rows], pa.int64()), "total": pa.array([total.tobytes()], pa.binary()),
        })  # fmt: skip


def _ridge_sums(pool: DataFrame, mean: Vectors, classes: Vectors) -> RidgeSums:
    found = pool.mapInArrow(_sum_for_ridge(mean, classes), _SUMS).toArrow()
    total: RidgeSums | None = None
    for part in found.to_pylist():
        outer = np.frombuffer(part["outer_product"], np.float64).reshape(len(classes), -1)
        cross = np.frombuffer(part["cross_product"], np.float64).reshape(len(classes), -1)
        profiles = np.frombuffer(part["profiles"], np.float64)
        sums = RidgeSums(part["rows"], profiles, outer, cross)
        total = sums if total is None else total + sums
    assert total is not None
    return total


def _sum_for_ridge(
    mean: Vectors, classes: Vectors
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def add_up(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        total: RidgeSums | None = None
        for batch in batches:
            if batch.num_rows:
                texts = from_arrow(batch.column("clip_embedding"))
                sums = RidgeSums.of(texts, mean, classes)
                total = sums if total is None else total + sums
        if total is not None:
            yield pa.RecordBatch.from_pydict({
                "rows": pa.array([total.rows], pa.int64()),
                "profiles": pa.array([total.profiles.tobytes()], pa.binary()),
                "outer_product": pa.array([total.outer.tobytes()], pa.binary()),
                "cross_product": pa.array([total.cross.tobytes()], pa.binary()),
            })  # fmt: skip

    return add_up
