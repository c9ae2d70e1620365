import pickle

import numpy as np
import pytest

from promptknn.deduplication import pruning
from promptknn.deduplication.pairs import pairs_before
from promptknn.deduplication.pruning import (
    Search,
    exact_search,
    lists_for,
    pruned_search,
    sample_for,
)
from promptknn.encoders.encoder import Vectors, unit
from tests.shards import random_units

DIM, THRESHOLD = 32, 0.9


def _paired(rows: int, seed: int) -> Vectors:
    """Draw unit vectors, every second one near the one before it."""
    vectors = np.repeat(random_units(rows // 2, DIM, seed), 2, axis=0)
    vectors[1::2] += np.float32(0.2) * random_units(rows // 2, DIM, seed + 1)
    return unit(vectors)


VECTORS = _paired(6_000, seed=0)


@pytest.fixture(scope="module")
def search() -> Search:
    # In any order: what is measured are other rows than those that are learned.
    order = np.random.default_rng(0).permutation(len(VECTORS) // 2)
    sample = VECTORS.reshape(-1, 2, DIM)[order].reshape(-1, DIM)
    return pruned_search(len(VECTORS), sample, THRESHOLD, target_recall=0.99)


def test_lists_and_sample_grow_with_the_root_of_the_prompts_up_to_an_end() -> None:
    assert lists_for(10_000) == 400
    assert lists_for(40_000) == 800
    assert lists_for(10**9) == lists_for(10**12) == 10_000
    assert sample_for(40_000) - sample_for(10_000) == 16 * 400
    assert sample_for(10**12) == 30_000 + 160_000


def test_the_fewest_lists_are_looked_into_that_find_the_share(search: Search) -> None:
    assert 12 <= search.probes < search.lists / 6
    # A quarter of the rows, two and two near each other.
    assert search.measured_on == len(VECTORS) / 4 / 2
    assert search.recall >= 0.99
    found, exact = _pairs(search), _pairs(exact_search())
    assert exact == len(VECTORS) / 2
    assert found >= 0.98 * exact


def _pairs(search: Search) -> int:
    rows = np.arange(len(VECTORS))
    return len(pairs_before(search.block(VECTORS), rows, rows, THRESHOLD).rows)


def test_a_block_has_the_nearest_lists_its_own_first(search: Search) -> None:
    block = search.block(VECTORS[:7])
    near = VECTORS[:7] @ search.centroids.T
    assert block.lists.shape == (7, search.probes)
    assert block.lists.tolist() == np.argsort(-near, axis=1)[:, : search.probes].tolist()


def test_every_pair_lies_in_one_list() -> None:
    assert exact_search().block(VECTORS[:3]).lists.tolist() == [[0], [0], [0]]


def test_a_search_travels_to_the_tasks(search: Search) -> None:
    copy = pickle.loads(pickle.dumps(search))
    lists = [each.block(VECTORS[:50]).lists for each in (copy, search)]
    np.testing.assert_array_equal(lists[0], lists[1])


def test_a_search_says_how_it_looks() -> None:
    centroids = random_units(1_024, DIM, seed=4)
    assert str(exact_search()) == "every pair compared"
    assert str(Search(centroids, 10, 0.99912, 20_000)) == (
        "10 of 1,024 lists compared, recall 0.9991 over 20,000 pairs of a sample"
    )


def test_half_of_the_misses_that_the_target_allows_stay_in_reserve(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 100 pairs, with 90 % wanted, 95 must be found: the 95th lies in the 20th list."""
    ranks = np.array([19] * 10 + [0] * 85 + [30] * 5)
    monkeypatch.setattr(pruning, "_list_ranks", lambda *asked: ranks)
    monkeypatch.setattr(pruning, "LARGEST_PROBED_SHARE", 1.0)
    found = pruned_search(len(VECTORS), VECTORS, THRESHOLD, target_recall=0.9)
    assert found.probes == 20
    assert found.recall == 0.95


def test_where_lists_would_not_be_faster_every_pair_is_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pruning, "LARGEST_PROBED_SHARE", 0.0)
    assert pruned_search(len(VECTORS), VECTORS, THRESHOLD, target_recall=0.9).lists == 0
