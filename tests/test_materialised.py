from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from promptknn.lake import Lake
from promptknn.materialised import SCRATCH, drop_leftovers, materialised


def test_rows_are_computed_once_for_all_uses(spark: SparkSession, lake: Lake) -> None:
    seen = spark.sparkContext.accumulator(0)

    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            seen.add(batch.num_rows)
            yield batch

    frame = spark.range(10).mapInArrow(look, "id bigint")
    with materialised(frame, lake) as rows:
        assert rows.count() == 10
        assert rows.where("id < 4").count() == 4
    assert seen.value == 10


def test_memory_is_freed_when_the_use_fails(spark: SparkSession, lake: Lake) -> None:
    frame = spark.range(11)

    def use() -> None:
        with materialised(frame, lake) as rows:
            assert rows.is_cached
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert not frame.is_cached


@pytest.fixture
def serverless(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to persist, as serverless compute does."""

    def refuse(frame: DataFrame, level: object) -> DataFrame:
        raise AnalysisException("[NOT_SUPPORTED_WITH_SERVERLESS] PERSIST TABLE is not supported")

    monkeypatch.setattr(type(spark.range(1)), "persist", refuse)


@pytest.mark.usefixtures("serverless")
def test_where_nothing_may_persist_a_table_keeps_the_rows_and_goes(spark: SparkSession) -> None:
    seen = spark.sparkContext.accumulator(0)

    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            seen.add(batch.num_rows)
            yield batch

    spark.sql("CREATE SCHEMA serverless")
    try:
        lake = Lake(spark, "spark_catalog.serverless", "a-run")
        frame = spark.range(10).mapInArrow(look, "id bigint")
        with materialised(frame, lake) as rows:
            (table,) = spark.sql("SHOW TABLES IN serverless").collect()
            assert table.tableName.startswith(SCRATCH)
            assert rows.count() == 10
            assert rows.where("id < 4").count() == 4
        assert seen.value == 10
        assert spark.sql("SHOW TABLES IN serverless").isEmpty()
        spark.range(1).write.format("delta").saveAsTable(f"serverless.{SCRATCH}of_a_killed_run")
        spark.range(1).write.format("delta").saveAsTable("serverless.of_somebody")
        now = datetime.now(UTC)
        assert drop_leftovers(lake, now - timedelta(hours=1)) == 0
        assert drop_leftovers(lake, now + timedelta(hours=1)) == 1
        (left,) = spark.sql("SHOW TABLES IN serverless").collect()
        assert left.tableName == "of_somebody"
    finally:
        spark.sql("DROP SCHEMA serverless CASCADE")


@pytest.mark.usefixtures("serverless")
def test_a_lake_in_a_folder_computes_them_again_there(spark: SparkSession, lake: Lake) -> None:
    with materialised(spark.range(10), lake) as rows:
        assert rows.count() == 10
