from datetime import UTC, datetime

from pyspark.sql import Row

from promptknn.lake import Lake
from promptknn.report.predictions import Predictions
from promptknn.report.surroundings import accuracy
from promptknn.tables import EVALUATIONS
from tests.report.example import report
from tests.rows import add_rows


def _predictions(lake: Lake) -> Predictions:
    return Predictions(lake.spark.range(0), report().facts, "a-run", Row())


def _evaluation(variant: str, cosine: float, day: int, clip_model: str = "clip") -> dict:
    return {
        "variant": variant,
        "mean_cosine": cosine,
        "clip_model": clip_model,
        "sentence_model": "words",
        "evaluated_at": datetime(2026, 1, day, tzinfo=UTC),
    }


def test_accuracy_is_of_the_settings_and_the_paper_s_rows_and_not_of_the_best_of_many(
    lake: Lake,
) -> None:
    many = [_evaluation(f"k={k}, uniform, 0.6/0.4", 0.9, 1) for k in range(20)]
    paper = [_evaluation("Clip", 0.4, 1), _evaluation("Clip + KNN (10), clip_mapped", 0.6, 1)]
    configured = [_evaluation("configured", cosine, day) for day, cosine in ((1, 0.8), (2, 0.5))]
    other = [_evaluation("Clip + KNN (100)", 0.7, 1, "another")]
    add_rows(lake, EVALUATIONS, [*many, *paper, *configured, *other])
    found = [(row.method, row.mean) for row in accuracy(lake, _predictions(lake))]
    assert found == [("configured", 0.5), ("Clip + KNN (10), clip_mapped", 0.6), ("Clip", 0.4)]


def test_a_lake_without_evaluations_has_no_accuracy(lake: Lake) -> None:
    assert accuracy(lake, _predictions(lake)) == []
