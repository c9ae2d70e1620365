import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptknn.deduplication import pairs
from promptknn.deduplication.pairs import Block, Keys, Lists, Pairs, pairs_above
from promptknn.encoders.encoder import Vectors
from tests.deduplication.pools import cosines, pools, thresholds


@pytest.fixture(autouse=True)
def _many_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "_ROWS_AT_ONCE", 5)
    monkeypatch.setattr(pairs, "_KEYS_AT_ONCE", 7)
    monkeypatch.setattr(pairs, "_PAIRS_AT_ONCE", 3)


def _probed(rows: int, lists: int, probes: int, seed: int) -> Lists:
    """Draw for each row different lists to look into."""
    draw = np.random.default_rng(seed)
    return np.argsort(draw.random((rows, lists)), axis=1)[:, :probes].astype(np.int32)


def _set(found: Pairs) -> set[tuple[int, int]]:
    named = set(zip(found.rows.tolist(), found.keys.tolist(), strict=True))
    assert len(named) == len(found.rows)
    return named


@given(
    vectors=pools,
    threshold=thresholds,
    lists=st.integers(1, 6),
    probes=st.integers(1, 6),
    seed=st.integers(0, 99),
)
@settings(deadline=None)
def test_pairs_are_those_of_all_products_that_lie_in_lists_looked_into(
    vectors: Vectors, threshold: float, lists: int, probes: int, seed: int
) -> None:
    probed = _probed(len(vectors), lists, min(probes, lists), seed)
    draw = np.random.default_rng(seed)
    rows, keys = (np.flatnonzero(draw.random(len(vectors)) < 0.7) for _ in range(2))
    block, held = Block(vectors, probed), Keys.of(vectors, probed[:, 0], keys)
    similar, looked = cosines(vectors), (probed[:, :, None] == probed[:, 0]).any(axis=1)
    expected = {
        (row, key)
        for row in rows.tolist()
        for key in keys.tolist()
        if similar[row, key] > threshold and looked[row, key]
    }
    found = pairs_above(block, rows, held, threshold)
    assert _set(found) == expected
    assert found.similarities == pytest.approx(similar[found.rows, found.keys], abs=1e-12)
    earlier = pairs_above(block, rows, held, threshold, before=True)
    assert _set(earlier) == {(row, key) for row, key in expected if key < row}


@given(vectors=pools, threshold=thresholds)
@settings(deadline=None)
def test_similarities_do_not_depend_on_what_else_is_compared(
    vectors: Vectors, threshold: float
) -> None:
    block = Block(vectors, np.zeros((len(vectors), 1), dtype=np.int32))
    every = np.arange(len(vectors))

    def found(keys: Keys, row: int) -> dict[int, float]:
        pairs = pairs_above(block, every[row : row + 1], keys, threshold)
        return dict(zip(pairs.keys.tolist(), pairs.similarities.tolist(), strict=True))

    whole = found(Keys.of(vectors, block.lists[:, 0], every), 0)
    for key in range(len(vectors)):
        alone = found(Keys.of(vectors, block.lists[:, 0], every[key : key + 1]), 0)
        assert alone == {one: value for one, value in whole.items() if one == key}


def test_pairs_come_in_the_same_order_whatever_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    vectors = np.repeat(draw.normal(size=(10, 4)), 6, axis=0).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    block = Block(vectors, _probed(60, 8, 3, seed=1))
    keys, found = Keys.of(vectors, block.lists[:, 0], np.arange(60)), []
    for cores in (1, 3, 50):
        monkeypatch.setattr(pairs, "task_cores", lambda cores=cores: cores)
        found.append(pairs_above(block, np.arange(60), keys, 0.9))
    assert len(found[0].rows) > 60
    for each in found[1:]:
        assert each.rows.tolist() == found[0].rows.tolist()
        assert each.keys.tolist() == found[0].keys.tolist()


def test_nothing_is_near_where_nothing_is_compared() -> None:
    block = Block(np.eye(3, dtype=np.float32), np.zeros((3, 1), dtype=np.int32))
    none, every = np.arange(0), np.arange(3)
    for rows, keys in ((none, every), (every, none), (none, none)):
        held = Keys.of(block.vectors, block.lists[:, 0], keys)
        assert len(pairs_above(block, rows, held, 0.5).rows) == 0


def test_keys_are_sorted_by_list() -> None:
    vectors, own = np.eye(5, dtype=np.float32), np.array([7, 2, 7, 9, 2], dtype=np.int32)
    keys = Keys.of(vectors, own, np.array([0, 1, 2, 4]))
    assert keys.lists.tolist() == [2, 7]
    assert keys.rows.tolist() == [1, 4, 0, 2]
    assert keys.ends.tolist() == [0, 2, 4]


def test_the_best_pair_of_a_row_is_its_most_similar_and_of_equal_ones_the_first() -> None:
    rows, keys = np.array([4, 1, 4, 4, 1]), np.array([0, 3, 9, 2, 1])
    best = Pairs(rows, keys, np.array([0.91, 0.95, 0.99, 0.99, 0.95])).best()
    assert best.rows.tolist() == [1, 4]
    assert best.keys.tolist() == [1, 2]
    assert best.similarities.tolist() == [0.95, 0.99]
