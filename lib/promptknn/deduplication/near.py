"""Near duplicates: the greedy choice of which prompts are kept (paper, section 3.1: cosine > 0.9).

Prompts are gone through in the order of their prompt_id. A prompt is dropped if and only if its
sentence embedding lies above the threshold with a prompt kept before it; a dropped prompt never
drops another. Ids are hashes, so the order is random but always the same, and after the first n
prompts few pairs are left among the next n whatever the pool: each round doubles what is decided,
and its pairs stay few. No table of all pairs is ever made.
"""

from collections.abc import Callable
from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt

from promptknn.encoders.encoder import Vectors

Positions = npt.NDArray[np.int64]
Similarities = npt.NDArray[np.float64]

NONE = -1
_FIRST_ROUND = 1024
# Products of float32 differ in the seventh digit with the shape of the matrices. What lies this
# near to the threshold is decided by the products of float64, which do not.
_MARGIN = 1e-5
_PAIRS_AT_ONCE, _ROWS_AT_ONCE = 16_384, 4_096


@dataclass(frozen=True)
class Pairs:
    """Pairs above a threshold, sparse.

    Attributes:
        rows: int64, (p,), positions among the queries.
        keys: int64, (p,), positions in the index.
        similarities: float64, (p,).
    """

    rows: Positions
    keys: Positions
    similarities: Similarities

    def where(self, chosen: npt.NDArray[np.bool_] | Positions | slice) -> "Pairs":
        """Keep some of the pairs, by a condition (bool, (p,)) or by their positions."""
        return Pairs(self.rows[chosen], self.keys[chosen], self.similarities[chosen])

    def best(self) -> "Pairs":
        """Keep each row's most similar key; of equal ones, the first."""
        order = np.lexsort((self.keys, -self.similarities, self.rows))
        rows = self.rows[order]
        first = np.ones(len(rows), dtype=np.bool_)
        first[1:] = rows[1:] != rows[:-1]
        return self.where(order[first])


@dataclass(frozen=True)
class Block:
    """Vectors, and where an inverted file keeps them and looks for their like: found out once.

    Attributes:
        vectors: float32, (n, d), unit rows.
        lists: int64, (n, probes), the nearest lists, that of the vector itself first; None for an
            index without lists.
        near: float32, (n, probes), the similarities of these lists.
    """

    vectors: Vectors
    lists: Positions | None = None
    near: Vectors | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    def rows(self, chosen: slice | Positions | npt.NDArray[np.bool_]) -> "Block":
        """Take some of the rows."""
        if self.lists is None or self.near is None:
            return Block(self.vectors[chosen])
        return Block(self.vectors[chosen], self.lists[chosen], self.near[chosen])

    def add_to(self, index: faiss.Index) -> None:
        """Add the vectors to an index."""
        if self.lists is None:
            index.add(self.vectors)
            return
        assert isinstance(index, faiss.IndexIVF)
        vectors, own = np.ascontiguousarray(self.vectors), np.ascontiguousarray(self.lists[:, 0])
        index.add_core(len(self), faiss.swig_ptr(vectors), None, faiss.swig_ptr(own))


@dataclass(frozen=True)
class Decisions:
    """What `greedy` decided.

    Attributes:
        kept: bool, (n,).
        keeper: int64, (n,), for a dropped row the most similar kept row before it; NONE where that
            is one of those kept before these rows, and where the row itself is kept.
        similarity: float64, (n,), to that one; of no meaning where the row is kept.
    """

    kept: npt.NDArray[np.bool_]
    keeper: Positions
    similarity: Similarities


def pairs_above(index: faiss.Index, queries: Block, threshold: float) -> Pairs:
    """Find the keys whose cosine with a query is above the threshold.

    Args:
        index: inner product, of unit vectors, able to reconstruct them.
        queries: with the lists to look into, where the index has lists.
        threshold: cosine; what equals it is not above it.
    """
    if len(queries) == 0 or index.ntotal == 0:
        nothing = np.zeros(0, dtype=np.int64)
        return Pairs(nothing, nothing, np.zeros(0))
    lower = threshold - _MARGIN
    order = np.arange(len(queries))
    if queries.lists is None:
        limits, _, keys = index.range_search(queries.vectors, lower)
    else:
        assert isinstance(index, faiss.IndexIVF)
        # Those of one list look into the same ones, which stay in the processor's cache.
        order = np.argsort(queries.lists[:, 0], kind="stable")
        by_list = queries.rows(order)
        asked = by_list.vectors, lower, by_list.lists, by_list.near
        # The stub of FAISS describes the C++ method under this one.
        limits, _, keys = index.range_search_preassigned(*asked)  # type: ignore
    ends = limits.astype(np.int64)
    rows = np.repeat(order, ends[1:] - ends[:-1])
    by_row = np.argsort(rows, kind="stable")
    rows, keys = rows[by_row], keys[by_row]
    found = Pairs(rows, keys, np.zeros(len(rows)))
    for start in range(0, len(rows), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        left = queries.vectors[rows[part]].astype(np.float64)
        right = index.reconstruct_batch(keys[part]).astype(np.float64)
        found.similarities[part] = (left * right).sum(axis=1)
    return found.where(found.similarities > threshold)


def pairs_within(
    block: Block, threshold: float, index: faiss.Index, enough: float = np.inf
) -> Pairs:
    """Find the pairs of different rows of a block above the threshold.

    Rows are compared with those before them and with those few that are added with them: all pairs,
    at half of what comparing every row with every other takes.

    Args:
        block: the vectors.
        threshold: cosine; what equals it is not above it.
        index: empty; it is filled with the block.
        enough: pairs after which no more rows are looked at.
    """
    parts, count = [], 0
    for start in range(0, max(len(block), 1), _ROWS_AT_ONCE):
        rows = block.rows(slice(start, start + _ROWS_AT_ONCE))
        rows.add_to(index)
        found = pairs_above(index, rows, threshold)
        pairs = Pairs(found.rows + start, found.keys, found.similarities)
        parts.append(pairs.where(pairs.rows != pairs.keys))
        count += len(parts[-1].rows)
        if count >= enough:
            break
    return Pairs(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.similarities for part in parts]),
    )


def greedy(
    block: Block,
    threshold: float,
    before: Similarities,
    empty_index: Callable[[], faiss.Index],
) -> Decisions:
    """Decide which rows are kept, in their order.

    Args:
        block: n vectors, in the order in which they are decided.
        threshold: cosine above which a row is dropped.
        before: float64, (n,), largest cosine above the threshold with what was kept before these
            rows; -inf where there is none.
        empty_index: makes an index; exact if the answer is to be.
    """
    decisions = Decisions(
        np.zeros(len(block), dtype=np.bool_),
        np.full(len(block), NONE, dtype=np.int64),
        before.copy(),
    )
    kept_index, kept_rows = empty_index(), np.zeros(0, dtype=np.int64)
    start, stop = 0, _FIRST_ROUND
    while start < len(block):
        rows = np.arange(start, min(stop, len(block)))
        found = pairs_above(kept_index, block.rows(slice(start, stop)), threshold)
        _name_keepers(decisions, rows, kept_rows, found)
        free = rows[np.isneginf(decisions.similarity[rows])]
        first, repeated = _first_ones(block.rows(free), threshold, empty_index)
        newly = free[first]
        decisions.kept[newly] = True
        _name_keepers(decisions, free, free, repeated)
        dropped = rows[~decisions.kept[rows]]
        among_new = empty_index()
        block.rows(newly).add_to(among_new)
        found = pairs_above(among_new, block.rows(dropped), threshold)
        earlier = newly[found.keys] < dropped[found.rows]
        _name_keepers(decisions, dropped, newly, found.where(earlier))
        block.rows(newly).add_to(kept_index)
        kept_rows = np.concatenate([kept_rows, newly])
        start, stop = stop, 2 * stop
    return decisions


def _name_keepers(decisions: Decisions, rows: Positions, keys: Positions, pairs: Pairs) -> None:
    best = pairs.best()
    better = best.similarities > decisions.similarity[rows[best.rows]]
    best = best.where(better)
    decisions.similarity[rows[best.rows]] = best.similarities
    decisions.keeper[rows[best.rows]] = keys[best.keys]


def _first_ones(
    block: Block, threshold: float, empty_index: Callable[[], faiss.Index]
) -> tuple[npt.NDArray[np.bool_], Pairs]:
    """Go through few rows that nothing before has dropped, pair by pair.

    Returns:
        Which rows are kept, bool, (n,), and the pairs of the others with kept ones before them: of
        lists, those of one row may hold the other where the other's do not hold the one.
    """
    pairs = pairs_within(block, threshold, empty_index())
    later, earlier = np.maximum(pairs.rows, pairs.keys), np.minimum(pairs.rows, pairs.keys)
    order = np.argsort(later, kind="stable")
    kept = np.ones(len(block), dtype=np.bool_)
    for row, key in zip(later[order].tolist(), earlier[order].tolist(), strict=True):
        if kept[key]:
            kept[row] = False
    return kept, Pairs(later, earlier, pairs.similarities).where(~kept[later] & kept[earlier])
