import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promptknn.errors import MissingInputError
from promptknn.sources.source import column, content_hash, metadata, prompt_rows


def test_column_is_found_whatever_its_case_and_signs(spark: SparkSession) -> None:
    frame = spark.createDataFrame([("a zebra", 1)], "`The Text.` string, n int")
    assert column(frame, "the text.", "Source 'x'", "text_column") == "`The Text.`"
    with pytest.raises(MissingInputError, match=r"Source 'x' has no column 'text'.*The Text\., n"):
        column(frame, "text", "Source 'x'", "text_column")


def test_metadata_gathers_the_other_columns_but_nulls(spark: SparkSession) -> None:
    frame = spark.createDataFrame(
        [("a zebra", 3, None, 0.5)], "text string, `a.b` int, empty string, score double"
    )
    row = frame.select(metadata(frame, ["TEXT"]).alias("m")).collect()[0]
    assert row.m == {"a.b": "3", "score": "0.5"}
    nothing = frame.select("text").select(metadata(frame.select("text"), ["text"]).alias("m"))
    assert nothing.collect()[0].m == {}


def test_content_hash_tells_apart_what_joining_would_not(spark: SparkSession) -> None:
    rows = [("a", "b"), ("ab", ""), ("", "ab"), (None, "ab"), ("ab", None), (None, None)]
    frame = spark.createDataFrame(rows, "one string, two string")
    found = frame.select(content_hash(F.col("one"), F.col("two")).alias("h")).collect()
    assert len({row.h for row in found}) == len(rows)


def test_text_of_another_type_becomes_a_string(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(12.5,), (None,)], "text double")
    rows = prompt_rows(frame, "Source 'x'", "text", None, None).collect()
    assert {row.text for row in rows} == {"12.5", None}
    assert len({row.source_row_id for row in rows}) == 2
