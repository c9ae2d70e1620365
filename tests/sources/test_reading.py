from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from promptknn.errors import MissingInputError
from promptknn.sources.reading import load, table_or_path


def test_options_reach_the_reader(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text|n\na zebra|1\n")
    frame = load(spark.read, "csv", str(path), "captions", {"sep": "|", "header": "true"})
    assert [tuple(row) for row in frame.collect()] == [("a zebra", "1")]


def test_complaint_is_one_line_with_label_and_cure(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError) as error:
        load(spark.read, "parquet", str(tmp_path / "absent"), "captions")
    message = str(error.value)
    assert message.startswith("Source 'captions': ")
    assert "\n" not in message
    assert message.endswith("check its `path` and `format` in the settings.")


def test_name_with_a_backtick_is_a_name_and_no_sql(spark: SparkSession) -> None:
    with pytest.raises(MissingInputError, match=r"'captions': the table default\.a`b cannot"):
        table_or_path(spark, "default.a`b", "captions")
