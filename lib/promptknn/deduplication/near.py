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
_PAIRS_AT_ONCE = 16_384


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

    def where(self, chosen: npt.NDArray[np.bool_] | Positions) -> "Pairs":
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


def pairs_above(
    index: faiss.Index,
    queries: Vectors,
    threshold: float,
    lists: tuple[Positions, Vectors] | None = None,
) -> Pairs:
    """Find the keys whose cosine with a query is above the threshold.

    Args:
        index: inner product, of unit vectors, able to reconstruct them.
        queries: float32, (n, d), unit rows.
        threshold: cosine; what equals it is not above it.
        lists: for an IVF index the lists to look into, int64 (n, probes), and their similarities,
            float32 (n, probes), where they are known already.
    """
    if len(queries) == 0 or index.ntotal == 0:
        nothing = np.zeros(0, dtype=np.int64)
        return Pairs(nothing, nothing, np.zeros(0))
    lower = threshold - _MARGIN
    if lists is None:
        limits, _, keys = index.range_search(queries, lower)
    else:
        assert isinstance(index, faiss.IndexIVF)
        # The stub of FAISS describes the C++ method under this one.
        limits, _, keys = index.range_search_preassigned(queries, lower, *lists)  # type: ignore
    ends = limits.astype(np.int64)
    rows = np.repeat(np.arange(len(queries)), ends[1:] - ends[:-1])
    found = Pairs(rows, keys, np.zeros(len(rows)))
    for start in range(0, len(rows), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        left = queries[rows[part]].astype(np.float64)
        right = index.reconstruct_batch(keys[part]).astype(np.float64)
        found.similarities[part] = (left * right).sum(axis=1)
    return found.where(found.similarities > threshold)


def greedy(
    vectors: Vectors,
    threshold: float,
    before: Similarities,
    empty_index: Callable[[], faiss.Index],
) -> Decisions:
    """Decide which rows are kept, in their order.

    Args:
        vectors: float32, (n, d), unit rows, in the order in which they are decided.
        threshold: cosine above which a row is dropped.
        before: float64, (n,), largest cosine above the threshold with what was kept before these
            rows; -inf where there is none.
        empty_index: makes an index; exact if the answer is to be.
    """
    decisions = Decisions(
        np.zeros(len(vectors), dtype=np.bool_),
        np.full(len(vectors), NONE, dtype=np.int64),
        before.copy(),
    )
    kept_index, kept_rows = empty_index(), np.zeros(0, dtype=np.int64)
    start, stop = 0, _FIRST_ROUND
    while start < len(vectors):
        rows = np.arange(start, min(stop, len(vectors)))
        _name_keepers(decisions, rows, kept_rows, pairs_above(kept_index, vectors[rows], threshold))
        free = rows[np.isneginf(decisions.similarity[rows])]
        newly = free[_first_ones(vectors[free], threshold, empty_index)]
        decisions.kept[newly] = True
        dropped = rows[~decisions.kept[rows]]
        among_new = empty_index()
        among_new.add(vectors[newly])
        found = pairs_above(among_new, vectors[dropped], threshold)
        earlier = newly[found.keys] < dropped[found.rows]
        _name_keepers(decisions, dropped, newly, found.where(earlier))
        kept_index.add(vectors[newly])
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
    vectors: Vectors, threshold: float, empty_index: Callable[[], faiss.Index]
) -> npt.NDArray[np.bool_]:
    """Go through few rows that nothing before has dropped, pair by pair: bool, (n,)."""
    index = empty_index()
    index.add(vectors)
    pairs = pairs_above(index, vectors, threshold)
    later, earlier = np.maximum(pairs.rows, pairs.keys), np.minimum(pairs.rows, pairs.keys)
    order = np.argsort(later, kind="stable")
    kept = np.ones(len(vectors), dtype=np.bool_)
    for row, key in zip(later[order].tolist(), earlier[order].tolist(), strict=True):
        if row != key and kept[key]:
            kept[row] = False
    return kept
