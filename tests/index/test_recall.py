import numpy as np
import pytest

from promptknn.index.recall import recall

EXACT = np.array([[0.9, 0.8, 0.7, 0.6], [0.5, 0.4, 0.3, 0.2]], np.float32)


def test_all_found_is_one() -> None:
    assert recall(EXACT, EXACT) == 1


def test_each_neighbour_that_was_not_found_counts() -> None:
    found = np.array([[0.9, 0.7, 0.6, 0.1], [0.5, 0.4, 0.1, 0.1]], np.float32)
    assert recall(found, EXACT) == pytest.approx(5 / 8)


def test_a_prompt_that_ties_with_the_last_one_is_as_good() -> None:
    exact = np.array([[0.9, 0.5]], np.float32)
    assert recall(np.array([[0.9, 0.5 - 5e-6]], np.float32), exact) == 1
    assert recall(np.array([[0.9, 0.4999]], np.float32), exact) == 0.5


def test_places_that_stay_empty_are_not_found() -> None:
    found = np.array([[0.9, -np.inf, -np.inf, -np.inf]], np.float32)
    assert recall(found, EXACT[:1]) == 0.25


def test_nothing_is_missed_where_the_pool_is_smaller_than_k() -> None:
    short = np.array([[0.9, -np.inf]], np.float32)
    assert recall(short, short) == 1


def test_no_queries_miss_nothing() -> None:
    assert recall(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32)) == 1
