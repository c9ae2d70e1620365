from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptknn.deduplication import near, pruning
from promptknn.deduplication.near import NONE, Decisions, greedy
from promptknn.deduplication.pairs import Keys, Positions, pairs_above, pairs_before
from promptknn.deduplication.pruning import Search, exact_search, pruned_search
from promptknn.encoders.encoder import Vectors
from tests.deduplication.pools import clustered, cosines, pools, thresholds


def brute_force(vectors: Vectors, threshold: float) -> npt.NDArray[np.bool_]:
    similar = cosines(vectors) > threshold
    kept = np.zeros(len(vectors), dtype=np.bool_)
    for row in range(len(vectors)):
        kept[row] = not (similar[row, :row] & kept[:row]).any()
    return kept


def decide(vectors: Vectors, threshold: float, search: Search | None = None) -> Decisions:
    block = (search or exact_search()).block(vectors)
    return greedy(block, threshold, np.full(len(vectors), -np.inf))


@pytest.fixture(autouse=True)
def _many_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "_FIRST_ROUND", 3)


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
    whole, block = decide(vectors, threshold), exact_search().block(vectors)
    first, second = vectors[:cut], vectors[cut:]
    kept = np.flatnonzero(decide(first, threshold).kept)
    before = np.full(len(vectors), -np.inf)
    keys = Keys.of(vectors, block.lists[:, 0], kept)
    best = pairs_above(block, np.arange(cut, len(vectors)), keys, threshold).best()
    before[best.rows] = best.similarities
    later = greedy(exact_search().block(second), threshold, before[cut:])
    assert later.kept.tolist() == whole.kept[cut:].tolist()
    dropped = ~later.kept
    assert later.similarity[dropped].tolist() == whole.similarity[cut:][dropped].tolist()


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
    found = greedy(exact_search().block(vectors), 0.9, before)
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
    found, every = (len(_pairs(each, vectors)) for each in (search, exact_search()))
    assert every > 1_000
    assert found >= 0.99 * every


def _pairs(search: Search, vectors: Vectors) -> Positions:
    rows = np.arange(len(vectors))
    return pairs_before(search.block(vectors), rows, rows, 0.9).rows


def test_pruned_search_decides_nearly_as_exact_search() -> None:
    vectors = clustered(4_000, 32, clusters=1_500, noise=0.25, seed=6)
    search = pruned_search(len(vectors), vectors, 0.9, target_recall=0.999)
    pruned, exact = decide(vectors, 0.9, search).kept, brute_force(vectors, 0.9)
    assert 0 < exact.sum() < len(vectors)
    assert (pruned != exact).sum() <= 0.005 * len(vectors)


def test_what_is_dropped_has_a_keeper_where_lists_hold_a_pair_one_way_alone() -> None:
    vectors = clustered(2_000, 32, clusters=700, noise=0.25, seed=10)
    search = pruned_search(len(vectors), vectors, 0.9, target_recall=0.99)
    search = replace(search, probes=2)
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
