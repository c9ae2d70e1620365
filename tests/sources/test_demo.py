from pyspark.sql import SparkSession

from promptknn.sources.demo import DemoSource, compose


def test_rows_are_the_composed_prompts_in_their_order(spark: SparkSession) -> None:
    rows = DemoSource(prompts=2500, seed=3).read(spark).orderBy("source_row_id").collect()
    assert [row.text for row in rows] == compose(2500, 3)
    assert len({row.source_row_id for row in rows}) == 2500
    assert {row.metadata["seed"] for row in rows} == {"3"}
