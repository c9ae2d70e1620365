from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promptknn.arrow_vectors import to_arrow
from promptknn.encoders.models import Models
from promptknn.evaluation.neighbourhood import score_batches, with_truths
from promptknn.index.distribution import IndexHandle
from promptknn.index.query_map import identity_map
from promptknn.index.searchable import SearchableIndex
from promptknn.index.shard import Shard
from promptknn.index.write_shards import RESCORING_COLUMN
from promptknn.prediction.combination import Combination
from promptknn.settings import Settings
from tests.shards import random_units, write_shard

COLUMNS = "image_id string, image_uri string, image_name string, day int"


def test_a_file_that_was_overwritten_is_evaluated_as_it_was_embedded_last(
    spark: SparkSession,
) -> None:
    rows = [
        ("old", "/a/cat.png", "cat", 1),
        ("new", "/a/cat.png", "cat", 2),
        ("dog", "/a/dog.png", "dog", 1),
        ("other", "/a/other.png", "other", 3),
    ]
    images = spark.createDataFrame(rows, COLUMNS).select(
        "image_id",
        "image_uri",
        "image_name",
        F.array(F.lit(1.0).cast("float")).alias("embedding"),
        F.timestamp_seconds("day").alias("embedded_at"),
    )
    truths = spark.createDataFrame(
        [("cat", [1.0]), ("cat", [0.5]), ("dog", [1.0])], "image_name string, vector array<float>"
    )
    found = with_truths(images, truths)
    assert {row.image_id: len(row.truths) for row in found.collect()} == {"new": 2, "dog": 1}
    assert "embedded_at" not in found.columns


def test_neighbours_scored_again_are_those_that_a_prediction_finds(tmp_path: Path) -> None:
    """The second model likes best what the first ranks last."""
    keys = random_units(12, 4, seed=0)
    image = keys[:1]
    order = np.argsort(np.argsort(keys @ image[0]))
    second = np.stack([np.cos(order / 12), np.sin(order / 12)], axis=1).astype(np.float32)
    write_shard(tmp_path / "shard", keys, rescoring=second)
    index = SearchableIndex([Shard(tmp_path / "shard", nprobe=0)], identity_map(4))
    handle = cast(IndexHandle, SimpleNamespace(open=lambda: index))
    batch = pa.RecordBatch.from_pydict({
        "image_id": ["a"], "image_uri": ["/a"], "image_name": ["a"],
        "embedding": to_arrow(image),
        RESCORING_COLUMN: to_arrow(np.array([[1, 0]], dtype=np.float32)),
        "truths": pa.array([image.tolist()], pa.list_(pa.list_(pa.float32()))),
    })  # fmt: skip
    models = Models.of(Settings())
    configured = Combination(k=3, rescoring=0.9)
    none = np.array([], dtype=object)

    def cosine(*variants: Combination) -> float:
        (scored,) = score_batches(handle, variants, none, models)(iter([batch]))
        return float(scored.column("cosines").to_pylist()[0][-1])

    assert cosine(Combination(k=12, rescoring=0.9), configured) == cosine(configured)
    assert cosine(Combination(k=12), configured) == cosine(configured)
