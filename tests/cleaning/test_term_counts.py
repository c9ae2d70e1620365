from datetime import UTC, datetime

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promptknn.cleaning.term_counts import counted_texts, found_terms, terms_in
from promptknn.cleaning.terms import terms_of
from promptknn.deduplication.exact import prompt_id
from promptknn.lake import Lake
from promptknn.tables import PROMPTS, REJECTED_PROMPTS
from tests.rows import add_rows

EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


def test_a_task_gives_each_term_of_its_texts_once(spark: SparkSession) -> None:
    texts = [
        "a castle by Artgerm, a sharp CASTLE", "women's hats, WOMEN\u2019s shoes", "4 k, 100%", "",
        "hyper-real 8k 35mm f/1.8", "Zdzis\u0142aw \u0915\u093e \u0918\u0930", "a castle",
    ]  # fmt: skip
    frame = spark.createDataFrame(pa.table({"text": texts}))
    found = [row.term for row in terms_in(frame.repartition(1)).collect()]
    assert sorted(found) == sorted({term for text in texts for term in terms_of(text)})
    assert len(terms_in(frame.limit(0)).collect()) == 0


def test_a_text_counts_once_for_each_of_its_terms_at_the_time_of_its_cleaning(
    spark: SparkSession,
) -> None:
    texts = [
        ("a cat, a CAT", EARLY), ("a  dog", EARLY), ("cafe\u0301 cat", LATE), ("a cat", LATE),
        ("12", LATE),
    ]  # fmt: skip
    frame = spark.createDataFrame(texts, "text string, at timestamp").repartition(1)
    found = found_terms(frame).groupBy("term", "at").agg(F.sum("number").alias("number"))
    at = found.select("term", (F.unix_seconds("at") == EARLY.timestamp()).alias("early"), "number")
    assert {(row.term, row.early): row.number for row in at.collect()} == {
        ("a", True): 2, ("cat", True): 1, ("dog", True): 1,
        ("café", False): 1, ("cat", False): 2, ("a", False): 1,
    }  # fmt: skip


def test_texts_of_kept_prompts_and_of_those_refused_for_terms_are_counted(lake: Lake) -> None:
    add_rows(
        lake,
        PROMPTS,
        [{"prompt_id": prompt_id("a cat"), "text": "a cat", "original_text": "a cat, artgerm"}],
    )
    reasons = ("no_known_terms", "unknown_term", "exact_duplicate", "too_short")
    refused = [
        {"source_row_id": str(number), "text": reason, "reason": reason}
        for number, reason in enumerate(reasons)
    ]
    add_rows(lake, REJECTED_PROMPTS, refused)
    texts = {row.text for row in counted_texts(lake).collect()}
    assert texts == {"a cat, artgerm", "no_known_terms", "unknown_term"}
