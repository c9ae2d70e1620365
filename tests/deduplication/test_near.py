from dataclasses import replace

import faiss
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptknn.deduplication import near, pruning
from promptknn.deduplication.near import NONE, Block, Decisions, greedy, pairs_above, pairs_within
from promptknn.deduplication.pruning import Search, exact_search, pruned_search
from promptknn.encoders.encoder import Vectors, unit

Matrix = npt.NDArray[np.float64]


def clustered(rows: int, dim: int, clusters: int, noise: float, seed: int) -> Vectors:
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(clusters, dim))[draw.integers(clusters, size=rows)]
    vectors: npt.NDArray[np.float32] = (centres + noise * draw.normal(size=(rows, dim))).astype(
        "f4"
    )
    return unit(vectors)


def cosines(vectors: Vectors) -> Matrix:
    doubles = vectors.astype(np.float64)
    found: Matrix = doubles @ doubles.T
    return found


def brute_force(vectors: Vectors, threshold: float) -> npt.NDArray[np.bool_]:
    similar = cosines(vectors) > threshold
    kept = np.zeros(len(vectors), dtype=np.bool_)
    for row in range(len(vectors)):
        kept[row] = not (similar[row, :row] & kept[:row]).any()
    return kept


def decide(vectors: Vectors, threshold: float, search: Search | None = None) -> Decisions:
    search = search or exact_search(vectors.shape[1])
    return greedy(
        search.block(vectors), threshold, np.full(len(vectors), -np.inf), search.empty_index
    )


pools = st.builds(
    clustered,
    rows=st.integers(1, 80),
    dim=st.integers(2, 6),
    clusters=st.integers(1, 12),
    noise=st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
thresholds = st.floats(0.5, 0.99)


@pytest.fixture(autouse=True)
def _many_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "_FIRST_ROUND", 3)
    monkeypatch.setattr(near, "_PAIRS_AT_ONCE", 7)
    monkeypatch.setattr(near, "_ROWS_AT_ONCE", 5)


@given(vectors=pools, threshold=thresholds)
@settings(deadline=None)
def test_keeps_what_brute_force_keeps(vectors: Vectors, threshold: float) -> None:
    assert decide(vectors, threshold).kept.tolist() == brute_force(vectors, threshold).tolist()


@given(vectors=pools, threshold=thresholds)
@settings(deadline=None)
def test_names_the_most_similar_prompt_kept_before(vectors: Vectors, threshold: float) -> None:
    found, similar = decide(vectors, threshold), cosines(vectors)
    for row in np.flatnonzero(~found.kept):
        before = np.flatnonzero(found.kept[:row])
        assert found.kept[found.keeper[row]]
        assert found.keeper[row] < row
        assert found.similarity[row] == pytest.approx(similar[row, before].max(), abs=1e-12)
        assert found.similarity[row] == pytest.approx(similar[row, found.keeper[row]], abs=1e-12)
    assert (found.keeper[found.kept] == NONE).all()


@given(vectors=pools, threshold=thresholds, cut=st.integers(0, 80))
@settings(deadline=None)
def test_blocks_decide_as_the_whole_does(vectors: Vectors, threshold: float, cut: int) -> None:
    whole = decide(vectors, threshold)
    first, second = vectors[:cut], vectors[cut:]
    kept = first[decide(first, threshold).kept]
    index = exact_search(vectors.shape[1]).empty_index()
    index.add(kept)
    before = np.full(len(second), -np.inf)
    best = pairs_above(index, Block(second), threshold).best()
    before[best.rows] = best.similarities
    later = greedy(Block(second), threshold, before, exact_search(vectors.shape[1]).empty_index)
    assert later.kept.tolist() == whole.kept[cut:].tolist()
    dropped = ~later.kept
    assert later.similarity[dropped].tolist() == whole.similarity[cut:][dropped].tolist()


@given(vectors=pools, threshold=thresholds)
@settings(deadline=None)
def test_pairs_are_those_of_all_products(vectors: Vectors, threshold: float) -> None:
    index = exact_search(vectors.shape[1]).empty_index()
    index.add(vectors)
    found = pairs_above(index, Block(vectors), threshold)
    expected = np.argwhere(cosines(vectors) > threshold)
    pairs = sorted(zip(found.rows.tolist(), found.keys.tolist(), strict=True))
    assert pairs == [tuple(pair) for pair in expected.tolist()]


@given(vectors=pools, threshold=thresholds)
@settings(deadline=None)
def test_pairs_within_a_block_are_those_of_all_products(vectors: Vectors, threshold: float) -> None:
    index = exact_search(vectors.shape[1]).empty_index()
    found = pairs_within(Block(vectors), threshold, index)
    pairs = zip(found.rows.tolist(), found.keys.tolist(), strict=True)
    expected = np.argwhere(np.triu(cosines(vectors), 1) > threshold)
    assert {frozenset(pair) for pair in pairs} == {frozenset(pair) for pair in expected.tolist()}
    assert index.ntotal == len(vectors)


def test_a_dropped_prompt_drops_no_other() -> None:
    degrees = np.radians([0, 20, 40])
    chain = np.stack([np.cos(degrees), np.sin(degrees)], axis=1).astype(np.float32)
    found = decide(chain, 0.9)
    assert found.kept.tolist() == [True, False, True]
    assert found.keeper.tolist() == [NONE, 0, NONE]


def test_a_cosine_equal_to_the_threshold_is_not_above_it() -> None:
    vectors = np.array([[1, 0, 0, 0], [0.5, 0.5, 0.5, 0.5]], dtype=np.float32)
    assert decide(vectors, 0.5).kept.tolist() == [True, True]
    assert decide(vectors, 0.499999).kept.tolist() == [True, False]


def test_what_was_kept_before_drops_and_is_named_where_it_is_nearer() -> None:
    degrees = np.radians([90, 85, 10])
    vectors = np.stack([np.cos(degrees), np.sin(degrees)], axis=1).astype(np.float32)
    before = np.array([0.99999, -np.inf, 0.95])
    found = greedy(Block(vectors), 0.9, before, exact_search(2).empty_index)
    assert found.kept.tolist() == [False, True, False]
    assert found.keeper.tolist() == [NONE, NONE, NONE]
    assert found.similarity[[0, 2]].tolist() == [0.99999, 0.95]


def test_no_vectors_need_no_decision() -> None:
    assert len(decide(np.zeros((0, 4), dtype=np.float32), 0.9).kept) == 0


def test_pruned_search_finds_the_share_of_pairs_that_it_measured() -> None:
    vectors = clustered(4_000, 32, clusters=1_500, noise=0.25, seed=5)
    search = pruned_search(len(vectors), vectors, 0.9, target_recall=0.99)
    assert 0 < search.probes < search.lists / 2
    assert search.recall >= 0.99
    index, exact = search.empty_index(), exact_search(32).empty_index()
    index.add(vectors)
    exact.add(vectors)
    found, every = (pairs_above(each, Block(vectors), 0.9).rows for each in (index, exact))
    assert len(every) > len(vectors) + 1_000
    assert len(found) >= 0.99 * len(every)


def test_pruned_search_decides_nearly_as_exact_search() -> None:
    vectors = clustered(4_000, 32, clusters=1_500, noise=0.25, seed=6)
    search = pruned_search(len(vectors), vectors, 0.9, target_recall=0.999)
    pruned, exact = decide(vectors, 0.9, search).kept, brute_force(vectors, 0.9)
    assert 0 < exact.sum() < len(vectors)
    assert (pruned != exact).sum() <= 0.005 * len(vectors)


def test_a_block_knows_its_lists_beforehand() -> None:
    vectors = clustered(4_000, 32, clusters=1_500, noise=0.25, seed=9)
    search = pruned_search(len(vectors), vectors, 0.9, target_recall=0.99)
    block, plain = search.block(vectors), Block(vectors)
    assert block.lists is not None
    assert block.lists.shape == (4_000, search.probes)
    held, expected = search.empty_index(), search.empty_index()
    block.rows(slice(0, 3_000)).add_to(held)
    plain.rows(slice(0, 3_000)).add_to(expected)
    some = np.array([5, 3_500, 3_999])
    found = pairs_above(held, block.rows(some), 0.9)
    same = pairs_above(expected, plain.rows(some), 0.9)
    assert len(found.rows) >= 3
    assert sorted(zip(found.rows, found.keys, strict=True)) == sorted(
        zip(same.rows, same.keys, strict=True)
    )


def test_what_is_dropped_has_a_keeper_where_lists_hold_a_pair_one_way_alone() -> None:
    vectors = clustered(2_000, 32, clusters=700, noise=0.25, seed=10)
    search = pruned_search(len(vectors), vectors, 0.9, target_recall=0.99)
    index = search.empty_index()
    index.nprobe = 2
    search = replace(search, template=faiss.serialize_index(index), probes=2)
    found = decide(vectors, 0.9, search)
    dropped = np.flatnonzero(~found.kept)
    assert len(dropped) > 500
    assert found.kept[found.keeper[dropped]].all()
    assert (found.keeper[dropped] < dropped).all()
    cosine = (vectors[dropped].astype(float) * vectors[found.keeper[dropped]]).sum(axis=1)
    assert found.similarity[dropped] == pytest.approx(cosine)
    assert (cosine > 0.9).all()


def test_a_sample_without_pairs_still_gives_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = clustered(500, 64, clusters=500, noise=1.0, seed=7)
    monkeypatch.setattr(pruning, "LARGEST_PROBED_SHARE", 1.0)
    search = pruned_search(len(vectors), vectors, 0.99, target_recall=0.999)
    assert search.measured_on == 0
    assert 0 < search.probes <= search.lists
    assert decide(vectors, 0.99, search).kept.all()


def test_every_pair_is_compared_where_most_lists_would_be() -> None:
    vectors = clustered(1_000, 64, clusters=10, noise=1.0, seed=8)
    search = pruned_search(len(vectors), vectors, 0.2, target_recall=0.999)
    assert search.lists == 0
    assert decide(vectors, 0.2, search).kept.tolist() == brute_force(vectors, 0.2).tolist()
