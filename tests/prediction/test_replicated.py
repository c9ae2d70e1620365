import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promptknn.arrow_vectors import to_arrow
from promptknn.encoders.models import Models
from promptknn.index.distribution import IndexHandle, SharedFolder
from promptknn.index.query_map import FILE, identity_map
from promptknn.index.shard_writer import sha256
from promptknn.prediction.replicated import predict_batches, search_replicated
from promptknn.settings import PredictionSettings, Settings
from tests.shards import nearest, prompt_ids, random_units, write_shard

DIM, PROMPTS, IMAGES = 8, 40, 305
MODELS = Models.of(Settings())
KEYS, SECOND = random_units(PROMPTS, DIM, seed=1), random_units(PROMPTS, DIM, seed=2)
VECTORS, AGAIN = random_units(IMAGES, DIM, seed=3), random_units(IMAGES, DIM, seed=4)


@pytest.fixture(scope="module")
def handle(tmp_path_factory: pytest.TempPathFactory) -> IndexHandle:
    folder, shards = tmp_path_factory.mktemp("index"), []
    for place, rows in (("a", slice(20)), ("b", slice(20, None))):
        ids = prompt_ids(PROMPTS)[rows]
        files = write_shard(folder / place, KEYS[rows], ids, rescoring=SECOND[rows]).files
        shards.append(SharedFolder(str(folder / place), files))
    identity_map(DIM).save(folder)
    query_map = SharedFolder(str(folder), {FILE: sha256(folder / FILE)})
    return IndexHandle("version", query_map, tuple(shards), 0, str(folder / "cache"))


def images() -> pa.RecordBatch:
    names = [f"image-{number:03d}" for number in range(IMAGES)]
    return pa.RecordBatch.from_pydict({
        "image_id": names, "image_uri": names, "embedding": to_arrow(VECTORS),
        "rescoring_embedding": to_arrow(AGAIN),
    })  # fmt: skip


def neighbours(batches: list[pa.RecordBatch]) -> list[list[str]]:
    rows = [row for batch in batches for row in batch.column("neighbours").to_pylist()]
    return [[neighbour["prompt_id"] for neighbour in row] for row in rows]


def test_large_batches_are_searched_in_pieces_and_answers_keep_their_order(
    handle: IndexHandle,
) -> None:
    whole = images()
    batches = [whole.slice(0, 300), whole.slice(300, 0), whole.slice(300)]
    settings = PredictionSettings(k=10, neighbours_kept=2)
    found = list(predict_batches(handle, settings, MODELS)(iter(batches)))
    assert [batch.num_rows for batch in found] == [256, 44, 5]
    ids = [name for batch in found for name in batch.column("image_id").to_pylist()]
    assert ids == whole.column("image_id").to_pylist()
    assert neighbours(found) == nearest(VECTORS, KEYS, 2)
    assert list(predict_batches(handle, settings, MODELS)(iter([]))) == []


def test_a_second_model_sorts_what_the_first_has_found(handle: IndexHandle) -> None:
    rescoring = {"clip": {"model": "ViT-B-32"}, "weight": 1.0}
    settings = PredictionSettings.model_validate({"k": PROMPTS, "rescoring": rescoring})
    (found,) = predict_batches(handle, settings, MODELS)(iter([images().slice(0, 20)]))
    first = [row[0] for row in neighbours([found])]
    # Its vectors are stored as fp16.
    products = AGAIN[:20] @ SECOND.T
    chosen = products[np.arange(20), [int(name, 16) for name in first]]
    np.testing.assert_allclose(chosen, products.max(axis=1), atol=2e-3)


def test_no_row_leaves_its_partition(spark: SparkSession, handle: IndexHandle) -> None:
    spread = spark.createDataFrame(pa.Table.from_batches([images()])).repartition(3, "image_id")
    found = search_replicated(spread, handle, PredictionSettings(k=1), MODELS)

    def partitions(frame: DataFrame) -> dict[str, int]:
        rows = frame.select("image_id", F.spark_partition_id().alias("partition")).collect()
        return {row.image_id: row.partition for row in rows}

    expected = partitions(spread)
    assert len(set(expected.values())) == 3
    assert partitions(found) == expected
