from dataclasses import astuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from promptknn.evaluation.cosine import Doubles, Estimate, bootstrap, mean_cosines


def test_a_prediction_is_compared_with_every_truth_whatever_its_length() -> None:
    truths = np.array([[1, 0], [0, 1]], dtype=np.float32)
    predicted = np.array([[3, 0], [0.5, 0.5]], dtype=np.float32)
    np.testing.assert_allclose(mean_cosines(predicted, truths), [0.5, np.sqrt(0.5)], rtol=1e-6)


def test_the_mean_is_over_pairs_of_image_and_truth() -> None:
    estimate = bootstrap(np.array([[1.0], [0.0]]), np.array([3.0, 1.0]), np.arange(2), 50, 0)[0]
    assert estimate.mean == 0.75


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30), st.integers(0, 5))
def test_the_interval_holds_within_the_range_and_repeats_by_its_seed(
    cosines: list[float], seed: int
) -> None:
    table = np.array(cosines)[:, None]
    truths = np.ones(len(cosines))
    groups = np.arange(len(cosines)) // 2
    first = bootstrap(table, truths, groups, 40, seed)[0]
    assert min(cosines) - 1e-9 <= first.low <= first.high <= max(cosines) + 1e-9
    assert bootstrap(table, truths, groups, 40, seed)[0] == first


def _of_images(table: Doubles) -> list[Estimate]:
    return bootstrap(table, np.ones(len(table)), np.arange(len(table)), 200, 0)


def test_copies_of_images_make_the_mean_no_surer() -> None:
    table = np.random.default_rng(0).normal(0.5, 0.1, (20, 2))
    copies, groups = np.repeat(table, 10, axis=0), np.repeat(np.arange(20), 10) * 7
    of_copies = bootstrap(copies, np.ones(len(copies)), groups, 200, 0)
    for found, expected in zip(of_copies, _of_images(table), strict=True):
        np.testing.assert_allclose(astuple(found), astuple(expected), rtol=1e-12)


def test_the_interval_narrows_with_more_images() -> None:
    draw = np.random.default_rng(0)
    few, many = (draw.normal(0.5, 0.1, (n, 1)) for n in (20, 2000))
    widths = [(lambda e: e.high - e.low)(_of_images(table)[0]) for table in (few, many)]
    assert widths[1] < widths[0] / 3
