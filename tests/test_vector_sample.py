import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from promptknn import vector_sample as module
from promptknn.arrow_vectors import to_arrow
from promptknn.vector_sample import vector_sample
from tests.pool import id_of
from tests.shards import random_units

ROWS, DIM = 1_000, 4
VECTORS = random_units(ROWS, DIM, seed=0)
IDS = [id_of(number) for number in range(ROWS)]


@pytest.fixture(scope="module")
def frame(spark: SparkSession) -> DataFrame:
    """Prompts in no order of their ids."""
    columns = {"prompt_id": IDS, "embedding": to_arrow(VECTORS)}
    return spark.createDataFrame(pa.table(columns)).repartition(3)


@pytest.mark.parametrize("at_once", [150, 5_000])
@pytest.mark.parametrize("wanted", [1, 400, ROWS, 2 * ROWS])
def test_parts_give_the_vectors_of_the_smallest_ids_in_order(
    frame: DataFrame, monkeypatch: pytest.MonkeyPatch, wanted: int, at_once: int
) -> None:
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", at_once)
    found = vector_sample(frame, "embedding", ROWS, wanted)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, VECTORS[np.argsort(IDS)[:wanted]])


def test_no_rows_give_no_vectors(frame: DataFrame) -> None:
    assert vector_sample(frame.limit(0), "embedding", 0, 10).shape == (0, 0)
