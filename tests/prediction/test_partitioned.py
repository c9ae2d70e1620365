from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from promptknn.arrow_vectors import to_arrow
from promptknn.encoders.models import Models
from promptknn.index.distribution import IndexHandle, SharedFolder
from promptknn.index.factory import train
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


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> IndexHandle:
    """Lists of which images look into one: a shard may hold none of its prompts, or few."""
    folder = tmp_path_factory.mktemp("listed")
    places = np.random.default_rng(0).integers(0, 4, PROMPTS)
    keys = np.eye(DIM, dtype=np.float32)[places] + 0.01 * random_units(PROMPTS, DIM, seed=5)
    keys = (keys / np.linalg.norm(keys, axis=1, keepdims=True)).astype(np.float32)
    # The last shard alone holds prompts of the fourth list, and these are three.
    keys[:-3][places[:-3] == 3] = keys[places == 0][0]
    keys[-3:] = np.eye(DIM, dtype=np.float32)[3]
    trained = train("IVF4,SQ8", keys)
    shards = []
    for number, rows in enumerate(np.array_split(np.arange(PROMPTS), SHARDS)):
        place = folder / f"shard-{number}"
        names = [prompt_ids(PROMPTS)[row] for row in rows]
        files = write_shard(place, keys[rows], names, faiss.clone_index(trained)).files
        shards.append(SharedFolder(str(place), files))
    (folder / "map").mkdir()
    identity_map(DIM).save(folder / "map")
    query_map = SharedFolder(str(folder / "map"), {FILE: sha256(folder / "map" / FILE)})
    return IndexHandle("listed", query_map, tuple(shards), 1, str(folder / "cache"))


@pytest.mark.parametrize("groups", [((0, 1), (2, 3, 4)), ((0,), (1,), (2,), (3,), (4,))])
def test_lists_that_hold_few_prompts_of_a_group_change_no_other_image_s_answer(
    spark: SparkSession, listed: IndexHandle, groups: Groups
) -> None:
    vectors = np.eye(DIM, dtype=np.float32)[[0, 1, 2, 3]]
    names = [f"image-{number}" for number in range(4)]
    columns = {"image_id": names, "image_uri": names, "embedding": to_arrow(vectors)}
    images = spark.createDataFrame(pa.table(columns)).coalesce(1)
    settings = PredictionSettings(k=15)
    together = rows_of(search_replicated(images, listed, settings, MODELS))
    apart = rows_of(search_partitioned(images, 4, listed, groups, settings, MODELS))
    alone = [
        row
        for name in names
        for row in rows_of(
            search_replicated(images.where(f"image_id = '{name}'"), listed, settings, MODELS)
        )
    ]
    assert [row.k for row in together] == [15, 15, 15, 3]
    for rows in (apart, alone):
        for one, other in zip(rows, together, strict=True):
            assert one.neighbours == other.neighbours
            assert (one.image_id, one.k) == (other.image_id, other.k)
            np.testing.assert_allclose(one.embedding, other.embedding, atol=1e-6)


@pytest.mark.parametrize("partitioned", [False, True])
def test_an_image_whose_lists_are_empty_gets_no_row(
    spark: SparkSession, listed: IndexHandle, partitioned: bool
) -> None:
    # The last shard left out, the fourth list is empty.
    handle = listed.part((0, 1, 2, 3))
    vectors = np.eye(DIM, dtype=np.float32)[[0, 3]]
    columns = {"image_id": ["a", "b"], "image_uri": ["a", "b"], "embedding": to_arrow(vectors)}
    images, settings = spark.createDataFrame(pa.table(columns)), PredictionSettings(k=5)
    if partitioned:
        rows = rows_of(search_partitioned(images, 2, handle, ((0, 1), (2, 3)), settings, MODELS))
    else:
        rows = rows_of(search_replicated(images, handle, settings, MODELS))
    assert [row.image_id for row in rows] == ["a"]


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
