import tempfile
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptknn.encoders.encoder import Vectors
from promptknn.index.factory import train
from promptknn.index.query_map import conse_map, identity_map
from promptknn.index.searchable import SearchableIndex
from promptknn.index.shard import Shard
from tests.shards import nearest, prompt_ids, random_units, searchable, write_shard

SHARDS = (1, 3, 8)
LISTED = random_units(800, 16, seed=0)


@pytest.fixture(scope="module")
def lists() -> faiss.Index:
    return train("IVF10,SQ8", LISTED)


def _whole_numbers(rows: int, seed: int) -> Vectors:
    """Draw vectors of few small whole numbers: products are exact, and many of them tie."""
    return np.random.default_rng(seed).integers(-1, 2, (rows, 3)).astype(np.float32)


@settings(max_examples=25)
@given(
    rows=st.integers(1, 150),
    queries=st.integers(1, 30),
    k=st.integers(1, 200),
    seed=st.integers(0, 1000),
)
def test_any_number_of_shards_gives_the_exact_answer_ties_in_the_order_of_ids(
    rows: int, queries: int, k: int, seed: int
) -> None:
    keys, wanted = _whole_numbers(rows, seed), _whole_numbers(queries, seed + 1)
    exact = nearest(wanted, keys, k)
    for shards in SHARDS:
        with tempfile.TemporaryDirectory() as folder:
            found = searchable(Path(folder), keys, shards).search_queries(wanted, k)
        assert found.prompt_ids.tolist() == exact
        assert found.similarities.shape == (queries, min(k, rows))


@pytest.mark.parametrize("shards", SHARDS)
def test_similarities_are_inner_products_best_first(tmp_path: Path, shards: int) -> None:
    keys, queries = random_units(300, 16, seed=0), random_units(30, 16, seed=1)
    found = searchable(tmp_path, keys, shards).search_queries(queries, 120)
    exact = -np.sort(-(queries @ keys.T), axis=1)[:, :120]
    np.testing.assert_allclose(found.similarities, exact, atol=1e-6)
    rows = np.vectorize(lambda name: int(name, 16))(found.prompt_ids)
    own = np.einsum("nd,nkd->nk", queries, keys[rows])
    np.testing.assert_allclose(found.similarities, own, atol=1e-6)


def test_equal_vectors_are_found_in_the_order_of_their_ids(tmp_path: Path) -> None:
    keys = np.repeat(random_units(1, 384, seed=0), 40, axis=0)
    for queries in (1, 64):
        index = searchable(tmp_path / str(queries), keys, 3)
        found = index.search_queries(random_units(queries, 384, seed=1), 20)
        assert found.prompt_ids.tolist() == [prompt_ids(20)] * queries


@settings(max_examples=15)
@given(st.sets(st.integers(0, 39)), st.integers(1, 60), st.sampled_from(SHARDS))
def test_ids_left_out_are_never_found(left_out: set[int], k: int, shards: int) -> None:
    keys, queries = random_units(40, 4, seed=0), random_units(5, 4, seed=1)
    ids = prompt_ids(40)
    banned = np.array([ids[row] for row in left_out], dtype=object)
    with tempfile.TemporaryDirectory() as folder:
        found = searchable(Path(folder), keys, shards).search_queries(queries, k, banned)
    allowed = [row for row in range(40) if row not in left_out]
    exact = np.argsort(-(queries @ keys[allowed].T), axis=1)[:, :k]
    expected = [[ids[allowed[place]] for place in row] for row in exact]
    assert found.prompt_ids.tolist() == expected


def test_ids_left_out_need_not_be_in_the_index(tmp_path: Path) -> None:
    index = searchable(tmp_path, random_units(10, 4, seed=0), 3)
    queries = random_units(2, 4, seed=1)
    other = np.array(["f" * 32], dtype=object)
    found, every = index.search_queries(queries, 5, other), index.search_queries(queries, 5)
    np.testing.assert_array_equal(found.prompt_ids, every.prompt_ids)


@pytest.mark.parametrize("shards", SHARDS)
def test_probing_every_list_finds_what_exact_search_finds(
    tmp_path: Path, lists: faiss.Index, shards: int
) -> None:
    queries = random_units(30, 16, seed=1)
    index = searchable(tmp_path, LISTED, shards, lists, nprobe=10)
    exact = -np.sort(-(queries @ LISTED.T), axis=1)[:, :50]
    np.testing.assert_allclose(index.search_queries(queries, 50).similarities, exact, atol=1e-2)


@pytest.mark.parametrize("nprobe", [1, 3, 10])
def test_the_answer_of_inverted_lists_does_not_depend_on_shards(
    tmp_path: Path, lists: faiss.Index, nprobe: int
) -> None:
    queries = random_units(30, 16, seed=1)
    answers = [
        searchable(tmp_path / str(n), LISTED, n, lists, nprobe)
        .search_queries(queries, 20)
        .prompt_ids.tolist()
        for n in SHARDS
    ]
    assert answers[0] == answers[1] == answers[2]


def test_what_a_query_finds_depends_on_no_poorer_one_beside_it(tmp_path: Path) -> None:
    keys = np.concatenate([np.tile([[1, 0]], (60, 1)), np.tile([[0, 1]], (7, 1))])
    keys = (keys + 0.01 * random_units(67, 2, seed=0)).astype(np.float32)
    index = searchable(tmp_path, keys, 1, train("IVF2,SQ8", keys), nprobe=1)
    found = index.search_queries(np.eye(2, dtype=np.float32), 20)
    assert found.filled.sum(axis=1).tolist() == [20, 7]
    assert set(found.prompt_ids[1, :7]) == set(prompt_ids(67)[60:])
    alone = index.search_queries(np.eye(2, dtype=np.float32)[:1], 20)
    assert found.prompt_ids[0].tolist() == alone.prompt_ids[0].tolist()
    empty = ~found.filled
    assert set(found.prompt_ids[empty]) == {""}
    assert set(found.shards[empty]) == {-1}
    assert np.isneginf(found.similarities[empty]).all()
    assert not index.vectors(found)[empty].any()
    assert set(index.texts(found, 20)[empty]) == {""}


def test_images_go_through_the_query_map(tmp_path: Path) -> None:
    keys, classes = random_units(50, 4, seed=0), random_units(6, 4, seed=1)
    index = searchable(tmp_path, keys, 3)
    query_map = conse_map(classes, np.zeros(4, np.float32))
    profiles = np.sqrt(np.random.default_rng(2).dirichlet(np.ones(6), 5)).astype(np.float32)
    found = SearchableIndex(index.shards, query_map).search(profiles, 5)
    expected = index.search_queries(query_map.queries(profiles), 5)
    np.testing.assert_array_equal(found.prompt_ids, expected.prompt_ids)


@pytest.mark.parametrize("shards", SHARDS)
def test_vectors_and_texts_are_those_of_the_neighbours(tmp_path: Path, shards: int) -> None:
    keys, queries = random_units(50, 6, seed=0), random_units(4, 6, seed=1)
    index = searchable(tmp_path, keys, shards)
    found = index.search_queries(queries, 9)
    rows = np.vectorize(lambda name: int(name, 16))(found.prompt_ids)
    # The helper writes the sentence embeddings as the keys, reversed.
    np.testing.assert_allclose(index.vectors(found), keys[rows][..., ::-1], atol=1e-3)
    assert index.vectors(found).dtype == np.float32
    texts = index.texts(found, 2)
    assert texts.tolist() == [[f"text {name}" for name in row[:2]] for row in found.prompt_ids]


def test_no_queries_find_nothing(tmp_path: Path) -> None:
    index = searchable(tmp_path, random_units(10, 4, seed=0), 3)
    found = index.search_queries(np.zeros((0, 4), np.float32), 5)
    assert found.similarities.shape[0] == found.prompt_ids.shape[0] == 0


@pytest.mark.parametrize("weight", [0.25, 1.0])
def test_neighbours_scored_again_are_sorted_by_both_models(tmp_path: Path, weight: float) -> None:
    keys, second = random_units(40, 16, seed=0), random_units(40, 8, seed=1)
    write_shard(tmp_path / "shard", keys, rescoring=second)
    index = SearchableIndex([Shard(tmp_path / "shard", 0)], identity_map(16))
    queries, again = random_units(5, 16, seed=2), random_units(5, 8, seed=3)
    found = index.rescored(index.search_queries(queries, 40), again, weight)
    both = (1 - weight) * queries @ keys.T + weight * again @ second.T
    np.testing.assert_allclose(found.similarities, -np.sort(-both, axis=1), atol=1e-3)
    rows = np.vectorize(lambda name: int(name, 16))(found.prompt_ids)
    np.testing.assert_array_equal(found.ordinals, rows)
    own = np.take_along_axis(both, rows, axis=1)
    np.testing.assert_allclose(found.similarities, own, atol=1e-3)
