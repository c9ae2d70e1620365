from collections.abc import Iterator

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from promptknn.materialised import materialised


def test_rows_are_computed_once_for_all_uses(spark: SparkSession) -> None:
    seen = spark.sparkContext.accumulator(0)

    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            seen.add(batch.num_rows)
            yield batch

    frame = spark.range(10).mapInArrow(look, "id bigint")
    with materialised(frame) as rows:
        assert rows.count() == 10
        assert rows.where("id < 4").count() == 4
    assert seen.value == 10


def test_memory_is_freed_when_the_use_fails(spark: SparkSession) -> None:
    frame = spark.range(11)

    def use() -> None:
        with materialised(frame) as rows:
            assert rows.is_cached
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert not frame.is_cached
