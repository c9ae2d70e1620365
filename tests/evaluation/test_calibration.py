import numpy as np
import pytest
from pyspark.sql import SparkSession

from promptknn.evaluation.calibration import Calibration, fit, held_out


def test_a_linear_law_is_found_again() -> None:
    signals = np.random.default_rng(0).uniform(0.2, 0.8, (50, 2))
    cosines = 0.1 + signals @ np.array([0.5, 0.3])
    found = fit(signals, cosines, np.ones(50))
    assert (found.intercept, found.similarity, found.agreement) == pytest.approx((0.1, 0.5, 0.3))
    np.testing.assert_allclose(found.expected(signals), cosines)


def test_confidence_stays_a_cosine() -> None:
    assert Calibration(5, 0, 0).expected(np.zeros((1, 2)))[0] == 1.0
    assert Calibration(-5, 0, 0).expected(np.zeros((1, 2)))[0] == -1.0


def test_an_image_does_not_calibrate_itself() -> None:
    signals = np.zeros((10, 2))
    cosines = np.arange(10.0) / 10
    expected = held_out(signals, cosines, np.ones(10), np.arange(10), 10, 0)
    others = (cosines.sum() - cosines) / 9
    np.testing.assert_allclose(expected, others)


def test_sql_and_numpy_agree(spark: SparkSession) -> None:
    calibration = Calibration(0.05, 0.7, 0.25)
    signals = np.array([[0.4, 0.6], [0.9, 2.0], [-9.0, 0.1]])
    rows = spark.createDataFrame(signals.tolist(), "s double, a double")
    found = rows.selectExpr(f"{calibration.sql('s', 'a')} AS confidence").toPandas()
    np.testing.assert_allclose(found["confidence"], calibration.expected(signals), rtol=1e-6)
