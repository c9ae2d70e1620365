import pytest
from pyspark.sql import SparkSession

from promptknn.cleaning.language import UNKNOWN, identify
from promptknn.cleaning.text_reading import read_texts

SCHEMA = "number int, text string, metadata map<string, string>"


def test_texts_are_normalised_and_identified_and_null_stays_null(spark: SparkSession) -> None:
    texts = ["a photo of\na cat\r\non a sofa", "\n\t \u3000", None]
    rows = [(number, text, {"score": "1"}) for number, text in enumerate(texts)]
    found = read_texts(spark.createDataFrame(rows, SCHEMA))
    assert found.columns == [
        "number", "original_text", "metadata", "text", "language", "score"
    ]  # fmt: skip
    plain = "a photo of a cat on a sofa"
    language, score = identify(plain)
    assert {row.number: tuple(row)[1:] for row in found.collect()} == {
        0: (texts[0], {"score": "1"}, plain, language, pytest.approx(score)),
        1: (texts[1], {"score": "1"}, "", UNKNOWN, 0.0),
        2: (None, {"score": "1"}, None, UNKNOWN, 0.0),
    }


def test_no_rows_are_no_rows(spark: SparkSession) -> None:
    assert read_texts(spark.createDataFrame([], SCHEMA)).collect() == []
