"""Prompts with their vectors, and what greedy comparison of all pairs keeps of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.arrow_vectors import to_arrow
from promptknn.deduplication.exact import prompt_id
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
    columns = {
        "prompt_id": pool.ids,
        "clip_embedding": to_arrow(pool.vectors),
        "sentence_embedding": to_arrow(pool.vectors),
    }
    rows = lake.spark.createDataFrame(pa.table(columns))
    _append(lake, rows.repartition(partitions))


def add_embeddings_of_file(lake: Lake, file: Path, partitions: int) -> None:
    """Add prompts, named by `id_of`, whose vectors are the rows of an .npy file.

    Tasks read the file: the driver holds none of it. The CLIP vectors are of one dimension.
    """
    name, rows = str(file), len(np.load(file, mmap_mode="r"))

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        vectors = np.load(name, mmap_mode="r")
        for batch in batches:
            numbers = batch.column("id").to_numpy()
            found = np.asarray(vectors[numbers], dtype=np.float32)
            yield pa.RecordBatch.from_pydict({
                "prompt_id": pa.array([id_of(number) for number in numbers.tolist()]),
                "clip_embedding": to_arrow(np.ones((len(found), 1), dtype=np.float32)),
                "sentence_embedding": to_arrow(found),
            })  # fmt: skip

    schema = "prompt_id string, clip_embedding array<float>, sentence_embedding array<float>"
    vectors = lake.spark.range(0, rows, 1, partitions).mapInArrow(read, schema)
    # The waves of embedding leave a file for each range of ids.
    _append(lake, vectors.repartitionByRange(partitions, "prompt_id"))


def id_of(number: int) -> str:
    return prompt_id(f"prompt {number}")


def _append(lake: Lake, rows: DataFrame) -> None:
    models = Models.of(Settings())
    lake.create([PROMPT_EMBEDDINGS, KEPT_PROMPTS, NEAR_DUPLICATES])
    with_models = (
        rows.withColumn("clip_model", F.lit(models.clip_identity))
        .withColumn("sentence_model", F.lit(models.sentence_identity))
        .withColumn("clip_dim", F.size("clip_embedding"))
        .withColumn("sentence_dim", F.size("sentence_embedding"))
        .withColumn("embedded_at", F.current_timestamp())
    )
    lake.append(PROMPT_EMBEDDINGS, with_models)
