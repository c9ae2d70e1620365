import faiss
import numpy as np
import pytest

from promptknn.encoders.encoder import Vectors
from promptknn.index.factory import train
from promptknn.index.fine_scalars import add_keys
from tests.shards import close_units, random_units

DIM, ROWS, K = 32, 2_000, 20
FINE, COARSE = "IVF4,PQ8x4fs,Refine(2xSQ6)", "IVF4,PQ8x4fs,Refine(SQ8)"


def searched(factory: str, keys: Vectors, queries: Vectors) -> tuple[float, float]:
    index = train(factory, keys)
    for start in range(0, ROWS, 700):
        add_keys(index, keys[start : start + 700])
    assert index.ntotal == ROWS
    lists = faiss.SearchParametersIVF(nprobe=4)  # type: ignore[call-arg]
    # Every prompt is a candidate, so that the scalars alone decide.
    every = faiss.IndexRefineSearchParameters(k_factor=ROWS / K, base_index_params=lists)
    similarities, found = index.search(queries, K, params=every)
    true = np.argsort(-(queries @ keys.T), axis=1, kind="stable")[:, :K]
    recall = np.mean([np.isin(here, those).mean() for here, those in zip(found, true, strict=True)])
    exact = np.take_along_axis(queries @ keys.T, found, 1)
    return float(recall), float(np.abs(similarities - exact).max())


def test_12_bits_tell_neighbours_apart_that_8_confuse() -> None:
    keys, queries = close_units(ROWS, DIM, seed=0), random_units(40, DIM, seed=1)
    coarse, wrong_by = searched(COARSE, keys, queries)
    fine, slightly_by = searched(FINE, keys, queries)
    assert coarse < 0.97 < 0.99 < fine
    # 63 steps of 63 steps, beside 255.
    assert slightly_by < wrong_by / 8


def test_an_index_is_the_same_after_it_was_stored() -> None:
    keys, queries = close_units(ROWS, DIM, seed=0), random_units(5, DIM, seed=1)
    index = train(FINE, keys)
    add_keys(index, keys)
    again = faiss.deserialize_index(faiss.serialize_index(index))
    for found, expected in zip(again.search(queries, K), index.search(queries, K), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("factory", ["Flat", "IVF4,SQ8", COARSE])
def test_other_indexes_are_filled_as_ever(factory: str) -> None:
    keys = random_units(ROWS, DIM, seed=0)
    ours, theirs = train(factory, keys), train(factory, keys)
    add_keys(ours, keys)
    theirs.add(keys)
    np.testing.assert_array_equal(faiss.serialize_index(ours), faiss.serialize_index(theirs))
