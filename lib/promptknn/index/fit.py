"""Fitting the query map on the pool: sums over partitions, added up on the driver."""

import operator
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promptknn.arrow_vectors import from_arrow
from promptknn.encoders.embed_prompts import EMBEDDED_SCHEMA, embed_texts
from promptknn.encoders.encoder import Vectors, check_stored
from promptknn.encoders.models import Models
from promptknn.encoders.package_default import class_texts
from promptknn.encoders.reference_texts import reference_vectors
from promptknn.errors import MissingInputError, SettingsError
from promptknn.index.query_map import (
    FEWEST_ROWS_FOR_RIDGE,
    Kind,
    QueryMap,
    centred_class_vectors,
    centred_map,
    conse_map,
    identity_map,
    profile_sums,
    ridge_map,
)
from promptknn.index.ridge import Ridge, RidgeSums
from promptknn.settings import IndexSettings

_MEAN = "rows bigint, total binary"
_SUMS = "rows bigint, sums array<binary>"
_TEXT_PENALTY = 0.01
# The sums of a part are some 11 MB; so many parts fit the driver whatever the pool's size.
_MOST_PARTS = 32
_CLASS_TASKS = 8


def fit_query_map(
    pool: DataFrame, models: Models, settings: IndexSettings, images: DataFrame | None = None
) -> QueryMap:
    """Fit the query map that the settings and the CLIP model ask for.

    Args:
        pool: prompt_id and clip_embedding.
        models: the pool's models.
        settings: `query_map` may force a kind.
        images: a column embedding, of the same CLIP model, which the kind `centred` needs.

    Raises:
        SettingsError: the kind does not go with the CLIP model.
        MissingInputError: `centred` is asked for, and no image is embedded yet.
        InvalidVectorError: a prompt's vector is not finite or has no length.
    """
    kind = _kind(models, settings)
    parts = pool.select("prompt_id", "clip_embedding").coalesce(_MOST_PARTS)
    rows, mean = _mean(parts)
    if kind == "identity":
        return identity_map(len(mean))
    if kind == "centred":
        return centred_map(_image_mean(images), mean)
    classes = _class_vectors(pool.sparkSession, models, settings.host_cache)
    chosen: Kind = "ridge" if kind == "auto" else kind
    if kind == "auto" and rows < FEWEST_ROWS_FOR_RIDGE:
        chosen = "conse"
    if chosen == "conse":
        return conse_map(classes, mean)

    def sums(batch: pa.RecordBatch) -> RidgeSums:
        return profile_sums(from_arrow(batch.column("clip_embedding")), mean, classes)

    return ridge_map(_ridge_sums(parts, sums), mean)


def _class_vectors(spark: SparkSession, models: Models, cache: Path) -> Vectors:
    texts = class_texts()
    vectors = reference_vectors(
        cache, models.sentence_identity, texts, lambda: _embedded(spark, models, texts)
    )
    return centred_class_vectors(vectors)


def _embedded(spark: SparkSession, models: Models, texts: list[str]) -> Vectors:
    # In workers: they have the model at hand, and the driver needs none.
    frame = spark.createDataFrame(list(enumerate(texts)), "number int, text string")
    embedded = (
        frame.select(F.format_string("%06d", "number").alias("prompt_id"), "text")
        .repartition(_CLASS_TASKS)
        .mapInArrow(embed_texts(models), EMBEDDED_SCHEMA)
        .select("prompt_id", "sentence_embedding")
        .toArrow()
        # Spark's own sort would embed twice: once to sample the ranges.
        .sort_by("prompt_id")
    )
    return from_arrow(embedded.column("sentence_embedding"))


def _kind(models: Models, settings: IndexSettings) -> Kind | Literal["auto"]:
    shared = not models.text_tower_is_sentence_model
    if settings.query_map == "auto":
        return "identity" if shared else "auto"
    if shared != (settings.query_map in ("identity", "centred")):
        fitting = "identity or centred" if shared else "ridge or conse"
        raise SettingsError(
            f"index.query_map {settings.query_map} does not go with clip.model "
            f"{models.clip.model}: set it to auto, {fitting}."
        )
    return settings.query_map


def _image_mean(images: DataFrame | None) -> Vectors:
    vectors = images.select(F.col("embedding").alias("clip_embedding")) if images else None
    if vectors is None or vectors.limit(1).count() == 0:
        raise MissingInputError(
            "index.query_map centred needs image embeddings, and there are none of this CLIP "
            "model: run jobs/predict_prompts.py once with another query map, or set it to auto."
        )
    return _mean(vectors.coalesce(_MOST_PARTS))[1]


def _mean(pool: DataFrame) -> tuple[int, Vectors]:
    found = pool.mapInArrow(_sum, _MEAN).toArrow()
    totals = [np.frombuffer(total, np.float64) for total in found.column("total").to_pylist()]
    rows = sum(found.column("rows").to_pylist())
    return rows, (np.sum(totals, axis=0) / rows).astype(np.float32)


def _sum(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    rows, total = 0, None
    for batch in batches:
        vectors = from_arrow(batch.column("clip_embedding"))
        if len(vectors):
            # Here, in the first pass: one bad vector would spoil the mean, and so all others.
            if "prompt_id" in batch.schema.names:
                check_stored(vectors, batch.column("prompt_id"), "clip_embedding")
            rows += len(vectors)
            total = vectors.sum(axis=0, dtype=np.float64) + (0.0 if total is None else total)
    if total is not None:
        yield pa.RecordBatch.from_pydict({
            "rows": pa.array([rows], pa.int64()), "total": pa.array([total.tobytes()], pa.binary()),
        })  # fmt: skip


def fit_text_map(pool: DataFrame) -> Ridge:
    """Fit the map from CLIP text embeddings to sentence embeddings, on the pool itself.

    It is what the paper's literal sum needs (E_pred1 in CLIP's space, E_pred2 in the sentence
    model's): `space: clip_mapped` averages the neighbours' mapped vectors.

    Args:
        pool: clip_embedding and sentence_embedding.
    """

    def sums(batch: pa.RecordBatch) -> RidgeSums:
        clip = from_arrow(batch.column("clip_embedding"))
        return RidgeSums.of(clip, from_arrow(batch.column("sentence_embedding")))

    parts = pool.select("clip_embedding", "sentence_embedding").coalesce(_MOST_PARTS)
    total = _ridge_sums(parts, sums)
    # Unit vectors of dimension d vary by about 1 / d a coordinate: the penalty is small beside it.
    return total.solve(_TEXT_PENALTY * total.rows / len(total.x))


def _ridge_sums(pool: DataFrame, sums_of: Callable[[pa.RecordBatch], RidgeSums]) -> RidgeSums:
    def add_up(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        total: RidgeSums | None = None
        for batch in batches:
            if batch.num_rows:
                sums = sums_of(batch)
                total = sums if total is None else total + sums
        if total is not None:
            columns = [pa.array([total.rows], pa.int64()), pa.array([total.to_bytes()])]
            yield pa.RecordBatch.from_arrays(columns, ["rows", "sums"])

    found = pool.mapInArrow(add_up, _SUMS).toArrow().to_pylist()
    return reduce(
        operator.add, [RidgeSums.from_bytes(part["rows"], part["sums"]) for part in found]
    )
