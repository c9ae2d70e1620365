import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from promptknn.arrow_vectors import to_arrow
from promptknn.encoders.encoder import unit
from promptknn.index import training_sample as module
from promptknn.index.query_map import centred_map
from promptknn.index.training_sample import one_key, training_sample
from tests.pool import id_of
from tests.shards import random_units

ROWS, DIM = 3_000, 4
CLIP = random_units(ROWS, DIM, seed=0)
IDS = [id_of(number) for number in range(ROWS)]
MAP = centred_map(np.zeros(DIM, np.float32), CLIP.mean(axis=0))


@pytest.fixture(scope="module")
def pool(spark: SparkSession) -> DataFrame:
    """Prompts in no order of their ids."""
    columns = {"prompt_id": IDS, "clip_embedding": to_arrow(CLIP)}
    return spark.createDataFrame(pa.table(columns)).repartition(3)


@pytest.mark.parametrize("wanted", [100, ROWS, 2 * ROWS])
def test_the_sample_is_the_keys_of_the_smallest_ids_in_their_order(
    pool: DataFrame, monkeypatch: pytest.MonkeyPatch, wanted: int
) -> None:
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 33)
    found = training_sample(pool, ROWS, MAP, wanted)
    smallest = np.argsort(IDS)[:wanted]
    np.testing.assert_allclose(found, unit(CLIP[smallest] - CLIP.mean(axis=0)), atol=1e-6)
    assert found.dtype == np.float32
    assert len(found) == min(wanted, ROWS)


def test_one_key_has_the_dimension(pool: DataFrame) -> None:
    key = one_key(pool, MAP)
    assert key.shape == (1, DIM)
    assert np.isclose(MAP.keys(CLIP), key, atol=1e-6).all(axis=1).any()
