from typing import Literal

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptknn.index.factory import choose, lists_of, nprobe_candidates, train
from promptknn.settings import IndexSettings
from tests.shards import random_units


def test_small_pools_are_searched_exactly() -> None:
    settings = IndexSettings(flat_below=1000)
    assert choose(1000, settings) == "Flat"
    assert choose(1001, settings).startswith("IVF")


@pytest.mark.parametrize(("kind", "factory"), [("flat", "Flat"), ("ivf_sq8", "IVF128,SQ8")])
def test_a_kind_that_is_set_is_kept(kind: Literal["flat", "ivf_sq8"], factory: str) -> None:
    settings = IndexSettings(kind=kind, flat_below=5000)
    assert choose(4999 if kind == "ivf_sq8" else 10**6, settings) == factory


@given(st.integers(1, 10**9), st.integers(1, 10**6))
def test_every_list_has_rows_to_be_trained_on(rows: int, training_rows: int) -> None:
    factory = choose(rows, IndexSettings(kind="ivf_sq8", training_rows=training_rows))
    lists = lists_of(factory)
    assert lists >= 1
    assert factory == f"IVF{lists},SQ8"
    assert lists == 1 or lists * 39 <= min(rows, training_rows)


def test_lists_grow_with_the_root_of_the_rows() -> None:
    settings = IndexSettings(kind="ivf_sq8", training_rows=10**6)
    assert choose(10**6, settings) == "IVF4000,SQ8"
    assert choose(4 * 10**6, settings) == "IVF8000,SQ8"


@pytest.mark.parametrize("factory", ["Flat", "IVF3,SQ8"])
def test_a_trained_index_is_empty_and_measures_inner_products(factory: str) -> None:
    index = train(factory, random_units(150, 8, seed=0))
    assert index.is_trained
    assert (index.ntotal, index.d) == (0, 8)
    assert index.metric_type == faiss.METRIC_INNER_PRODUCT


def test_training_is_the_same_every_time() -> None:
    sample = random_units(300, 8, seed=0)
    first, second = (train("IVF5,SQ8", sample) for _ in range(2))
    np.testing.assert_array_equal(faiss.serialize_index(first), faiss.serialize_index(second))


@pytest.mark.parametrize(
    ("lists", "candidates"), [(0, [0]), (1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])]
)
def test_candidates_go_from_few_lists_to_all(lists: int, candidates: list[int]) -> None:
    assert nprobe_candidates(lists) == candidates
