from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promptknn.deduplication.exact import first_of_each, prompt_id, prompt_id_of

ROWS = [
    ("b", "1", "p"), ("a", "2", "p"), ("a", "10", "p"),
    ("b", "3", "q"),
    ("c", "1", "r"), ("c", "0", "r"),
]  # fmt: skip


def test_column_and_function_give_one_id(spark: SparkSession) -> None:
    texts = ["a zebra", "日本の庭 🦓", "", "a\x00b"]
    frame = spark.createDataFrame([(text,) for text in texts], "text string")
    found = frame.select("text", prompt_id_of(F.col("text")).alias("id")).collect()
    assert {row.text: row.id for row in found} == {text: prompt_id(text) for text in texts}
    assert prompt_id("") == "e3b0c44298fc1c149afbf4c8996fb924"


def test_first_row_by_source_and_id_is_kept_whatever_the_partitions(spark: SparkSession) -> None:
    frame = spark.createDataFrame(ROWS, "source string, source_row_id string, prompt_id string")
    for partitions in (1, 3):
        marked = frame.repartition(partitions).withColumn("first", first_of_each("prompt_id"))
        kept = marked.where("first").collect()
        assert sorted((row.prompt_id, row.source, row.source_row_id) for row in kept) == [
            ("p", "a", "10"), ("q", "b", "3"), ("r", "c", "0"),
        ]  # fmt: skip
