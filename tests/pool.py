"""Prompts with their vectors, and what greedy comparison of all pairs keeps of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from promptknn.arrow_vectors import to_arrow
from promptknn.encoders.encoder import Vectors
from promptknn.encoders.models import Models
from promptknn.lake import Lake
from promptknn.settings import Settings
from promptknn.tables import KEPT_PROMPTS, NEAR_DUPLICATES, PROMPT_EMBEDDINGS


@dataclass(frozen=True)
class Pool:
    """Prompts in order of their ids, and their vectors: float32, (n, d), unit rows."""

    ids: list[str]
    vectors: Vectors

    def part(self, chosen: Sequence[int]) -> "Pool":
        return Pool([self.ids[row] for row in chosen], self.vectors[list(chosen)])


def brute_force(pool: Pool, threshold: float) -> dict[str, str]:
    """Give each dropped prompt the most similar prompt that was kept before it."""
    doubles = pool.vectors.astype(np.float64)
    kept = np.zeros(len(doubles), dtype=bool)
    dropped = {}
    for row, vector in enumerate(doubles):
        cosines = np.where(kept[:row], doubles[:row] @ vector, -1.0)
        if row and cosines.max() > threshold:
            dropped[pool.ids[row]] = pool.ids[int(cosines.argmax())]
        else:
            kept[row] = True
    return dropped


def add_embeddings(lake: Lake, pool: Pool, partitions: int = 1) -> None:
    models = Models.of(Settings())
    lake.create([PROMPT_EMBEDDINGS, KEPT_PROMPTS, NEAR_DUPLICATES])
    dim = pool.vectors.shape[1]
    columns = {
        "prompt_id": pool.ids,
        "clip_embedding": to_arrow(pool.vectors),
        "sentence_embedding": to_arrow(pool.vectors),
    }
    rows = (
        lake.spark.createDataFrame(pa.table(columns))
        .withColumn("clip_model", F.lit(models.clip_identity))
        .withColumn("sentence_model", F.lit(models.sentence_identity))
        .withColumn("clip_dim", F.lit(dim))
        .withColumn("sentence_dim", F.lit(dim))
        .withColumn("embedded_at", F.current_timestamp())
    )
    lake.append(PROMPT_EMBEDDINGS, rows.repartition(partitions))
