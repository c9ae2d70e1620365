from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from promptknn.arrow_vectors import to_arrow
from promptknn.encoders.models import Models
from promptknn.index.distribution import IndexHandle, SharedFolder
from promptknn.index.query_map import FILE, identity_map
from promptknn.index.shard_writer import sha256
from promptknn.prediction.partitioned import Groups, search_partitioned
from promptknn.prediction.replicated import search_replicated
from promptknn.settings import PredictionSettings, Settings
from tests.shards import prompt_ids, random_units, write_shard

DIM, PROMPTS, SHARDS, IMAGES = 16, 90, 5, 12
MODELS = Models.of(Settings())


@pytest.fixture(scope="module")
def handle(tmp_path_factory: pytest.TempPathFactory) -> IndexHandle:
    folder = tmp_path_factory.mktemp("index")
    keys, ids = random_units(PROMPTS, DIM, seed=1), prompt_ids(PROMPTS)
    # Prompts that tie, in shards of different groups.
    keys[80] = keys[3]
    mapped, again = random_units(PROMPTS, DIM, seed=2), random_units(PROMPTS, DIM, seed=3)
    shards = []
    for number, rows in enumerate(np.array_split(np.arange(PROMPTS), SHARDS)):
        place = folder / f"shard-{number}"
        names = [ids[row] for row in rows]
        files = write_shard(place, keys[rows], names, None, mapped[rows], again[rows]).files
        shards.append(SharedFolder(str(place), files))
    (folder / "map").mkdir()
    identity_map(DIM).save(folder / "map")
    query_map = SharedFolder(str(folder / "map"), {FILE: sha256(folder / "map" / FILE)})
    return IndexHandle("version", query_map, tuple(shards), 0, str(folder / "cache"))


@pytest.fixture
def images(spark: SparkSession) -> DataFrame:
    names = [f"image-{number}" for number in range(IMAGES)]
    vectors = random_units(IMAGES, DIM, seed=4)
    columns = {
        "image_id": names,
        "image_uri": [f"{name}.jpg" for name in names],
        "embedding": to_arrow(vectors),
        "rescoring_embedding": to_arrow(vectors[::-1]),
    }
    return spark.createDataFrame(pa.table(columns))


def rows_of(frame: DataFrame) -> list[Row]:
    return frame.orderBy("image_id").collect()


@pytest.mark.parametrize(
    ("groups", "settings"),
    [
        (((0, 1), (2, 3), (4,)), {"k": 20}),
        (((0,), (1,), (2,), (3,), (4,)), {"k": 40, "knn_space": "clip_mapped"}),
        (((0, 1, 2, 3, 4),), {"k": 20, "rescoring": {"clip": {"model": "ViT-B-32"}}}),
    ],
)
def test_answers_are_those_of_a_replicated_search(
    handle: IndexHandle, images: DataFrame, groups: Groups, settings: dict[str, object]
) -> None:
    chosen = PredictionSettings.model_validate(settings)
    expected = rows_of(search_replicated(images, handle, chosen, MODELS))
    found = rows_of(search_partitioned(images, IMAGES, handle, groups, chosen, MODELS))
    assert len(found) == IMAGES
    for one, other in zip(found, expected, strict=True):
        assert one.image_uri == other.image_uri
        assert one.neighbours == other.neighbours
        np.testing.assert_allclose(one.embedding, other.embedding, atol=1e-6)
        assert (one.k, one.predicted_prompt) == (other.k, other.predicted_prompt)
        assert one.agreement == pytest.approx(other.agreement, abs=1e-6)


def test_a_worker_opens_one_group_at_a_time(
    handle: IndexHandle, images: DataFrame, tmp_path: Path
) -> None:
    elsewhere = replace(handle, cache=str(tmp_path / "cache"))
    settings = PredictionSettings(k=5)
    (only,) = rows_of(search_partitioned(images.limit(1), 1, elsewhere, ((2,),), settings, MODELS))
    ids = prompt_ids(PROMPTS)[36:54]
    assert {neighbour.prompt_id for neighbour in only.neighbours} <= set(ids)
    fetched = [place for place in (tmp_path / "cache").iterdir() if place.is_dir()]
    # One shard and the query map.
    assert len(fetched) == 2
