import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from promptknn.index.scalar_recall import scalar_recall
from tests.shards import close_units, random_units

ROWS, DIM, K = 4_000, 32, 100


def test_neighbours_far_apart_stay_in_order() -> None:
    assert scalar_recall(random_units(ROWS, DIM, 0), random_units(50, DIM, 1), ROWS, K) > 0.99


def test_neighbours_closer_than_the_steps_of_the_scalars_change_places() -> None:
    assert scalar_recall(close_units(ROWS, DIM, 0), random_units(50, DIM, 1), ROWS, K) < 0.95


def test_a_share_of_the_pool_says_what_the_pool_does() -> None:
    close, queries = close_units(ROWS, DIM, 0), random_units(200, DIM, 1)
    whole = scalar_recall(close, queries, ROWS, K)
    share = scalar_recall(close[: ROWS // 4], queries, ROWS, K)
    np.testing.assert_allclose(share, whole, atol=0.02)
    # The same sample asked for as many neighbours as the pool would give another answer.
    assert scalar_recall(close[: ROWS // 4], queries, ROWS // 4, K) > share


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 60), st.integers(1, 10**6), st.integers(1, 200))
def test_any_sample_gives_a_share(rows: int, pool: int, k: int) -> None:
    sample = random_units(rows, 8, seed=0)
    assert 0 <= scalar_recall(sample, sample[:3], max(rows, pool), k) <= 1
