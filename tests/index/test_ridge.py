import operator
from functools import reduce

import numpy as np
import pytest

from promptknn.index.ridge import Ridge, RidgeSums

DRAW = np.random.default_rng(0)
X = (DRAW.normal(size=(60, 5)) + 3).astype(np.float32)
Y = (X @ DRAW.normal(size=(5, 3)) + [1, -2, 5] + 0.1 * DRAW.normal(size=(60, 3))).astype(np.float32)


def test_without_a_penalty_it_is_least_squares_with_an_intercept() -> None:
    ridge = RidgeSums.of(X, Y).solve(0.0)
    wide = np.concatenate([X, np.ones((60, 1))], axis=1)
    weights, *_ = np.linalg.lstsq(wide, Y, rcond=None)
    np.testing.assert_allclose(ridge.weights, weights[:-1], atol=1e-4)
    np.testing.assert_allclose(ridge(X), wide @ weights, atol=1e-4)


def test_the_penalty_shrinks_the_weights_towards_the_mean_of_y() -> None:
    sums = RidgeSums.of(X, Y)
    sizes = [np.linalg.norm(sums.solve(penalty).weights) for penalty in (0.0, 1.0, 100.0)]
    assert sizes == sorted(sizes, reverse=True)
    expected = np.broadcast_to(Y.mean(axis=0), Y.shape)
    np.testing.assert_allclose(sums.solve(1e9)(X), expected, atol=1e-3)


def test_a_penalty_answers_where_there_are_fewer_rows_than_columns() -> None:
    ridge = RidgeSums.of(X[:2], Y[:2]).solve(1.0)
    assert np.isfinite(ridge(X)).all()


@pytest.mark.parametrize("parts", [1, 2, 7, 60])
def test_sums_of_parts_are_those_of_the_whole(parts: int) -> None:
    pairs = zip(np.array_split(X, parts), np.array_split(Y, parts), strict=True)
    total = reduce(operator.add, [RidgeSums.of(x, y) for x, y in pairs])
    whole = RidgeSums.of(X, Y)
    assert total.rows == whole.rows
    for name in ("x", "y", "xx", "xy"):
        np.testing.assert_allclose(getattr(total, name), getattr(whole, name), rtol=1e-12)


def test_bytes_give_the_same_sums() -> None:
    sums = RidgeSums.of(X, Y)
    again = RidgeSums.from_bytes(sums.rows, sums.to_bytes())
    assert again.rows == 60
    for name in ("x", "y", "xx", "xy"):
        np.testing.assert_array_equal(getattr(again, name), getattr(sums, name))


def test_a_mapped_row_is_float32() -> None:
    ridge = RidgeSums.of(X, Y).solve(1.0)
    assert isinstance(ridge, Ridge)
    assert ridge(X[:1]).dtype == np.float32
