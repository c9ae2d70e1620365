from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptknn.encoders.encoder import Vectors
from promptknn.index.exact_search import search_exactly
from promptknn.index.shard import Shard
from tests.shards import close_units, random_units, write_shard


def _flat(keys: Vectors) -> faiss.IndexFlat:
    index = faiss.IndexFlatIP(keys.shape[1])
    index.add(keys)
    return index


def _one_by_one(keys: Vectors, queries: Vectors, k: int) -> tuple[Vectors, np.ndarray]:
    found = [_flat(keys).search(query[None], k) for query in queries]
    similarities, places = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((places, -similarities))
    return np.take_along_axis(similarities, order, 1), np.take_along_axis(places, order, 1)


@given(queries=st.integers(1, 40), count=st.integers(1, 60), seed=st.integers(0, 100))
def test_similarities_are_those_of_queries_searched_one_by_one(
    queries: int, count: int, seed: int
) -> None:
    keys, wanted = random_units(500, 96, seed), random_units(queries, 96, seed + 1)
    exact, places, beyond = search_exactly(_flat(keys), wanted, count)
    order = np.lexsort((places, -exact))
    expected, expected_places = _one_by_one(keys, wanted, count)
    np.testing.assert_array_equal(np.take_along_axis(exact, order, 1), expected)
    np.testing.assert_array_equal(np.take_along_axis(places, order, 1), expected_places)
    left_behind = np.sort(wanted @ keys.T, axis=1)[:, -count - 1]
    assert (left_behind <= beyond).all()


def test_many_queries_are_multiplied_and_faiss_is_left_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index, seen = _flat(random_units(50, 64, seed=0)), []
    before = faiss.cvar.distance_compute_blas_threshold

    class Watched:
        def search(self, *arguments: object, **options: object) -> object:
            seen.append(faiss.cvar.distance_compute_blas_threshold)
            return index.search(*arguments, **options)

        compute_distance_subset = index.compute_distance_subset

    search_exactly(Watched(), random_units(20, 64, seed=1), 5)
    assert seen == [min(before, 800 * faiss.omp_get_max_threads())]
    assert faiss.cvar.distance_compute_blas_threshold == before


@pytest.mark.parametrize("bundled", [False, True])
def test_a_shard_answers_an_image_alike_whatever_is_searched_with_it(
    tmp_path: Path, bundled: bool
) -> None:
    keys = (close_units if bundled else random_units)(3_000, 384, seed=0)
    # Hundreds of the same vector: more than a search asks for at first beside those that it gives.
    keys[500:1_400] = keys[500]
    write_shard(tmp_path, keys)
    queries = random_units(64, 384, seed=1)
    shard = Shard(tmp_path, nprobe=0)
    similarities, ordinals = shard.search(queries, 100)
    for row, query in enumerate(queries):
        alone = shard.search(query[None], 100)
        np.testing.assert_array_equal(alone[0][0], similarities[row])
        np.testing.assert_array_equal(alone[1][0], ordinals[row])


def test_places_left_out_are_not_found() -> None:
    keys = random_units(30, 16, seed=0)
    selector = faiss.IDSelectorBatch(np.arange(25))
    parameters = faiss.SearchParameters(sel=faiss.IDSelectorNot(selector))
    _, places, _ = search_exactly(_flat(keys), random_units(200, 16, seed=1), 10, parameters)
    assert {tuple(sorted(row)) for row in places} == {(-1,) * 5 + tuple(range(25, 30))}
