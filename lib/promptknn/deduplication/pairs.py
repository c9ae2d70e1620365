"""Pairs of vectors above a cosine, looked for list by list of an inverted file.

The vectors of a list are compared by one product of matrices with all that look into that list: in
half the time that FAISS takes for one query after another. A search of every pair is one list.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from promptknn.encoders.device import task_cores
from promptknn.encoders.encoder import Vectors

Positions = npt.NDArray[np.int64]
Similarities = npt.NDArray[np.float64]
Lists = npt.NDArray[np.int32]

# Products of float32 differ in the seventh digit with the shape of the matrices. What lies this
# near to the threshold is decided by the products of float64, which do not.
_MARGIN = 1e-5
# Matrices that the processor's caches hold.
_ROWS_AT_ONCE, _KEYS_AT_ONCE, _PAIRS_AT_ONCE = 1_024, 4_096, 1_024
# So that no thread waits long for the last.
_TURNS_A_THREAD = 8


@dataclass(frozen=True)
class Pairs:
    """Pairs above a threshold, sparse.

    Attributes:
        rows: int64, (p,), positions among the queries.
        keys: int64, (p,), positions among the vectors they are compared with.
        similarities: float64, (p,).
    """

    rows: Positions
    keys: Positions
    similarities: Similarities

    @classmethod
    def of(cls, parts: Sequence["Pairs"]) -> "Pairs":
        """Put parts together, in their order."""
        if not parts:
            nothing = np.zeros(0, dtype=np.int64)
            return cls(nothing, nothing, np.zeros(0))
        return cls(
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.keys for part in parts]),
            np.concatenate([part.similarities for part in parts]),
        )

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
    """Vectors, and in which lists their like are looked for.

    Attributes:
        vectors: float32, (n, d), unit rows.
        lists: int32, (n, probes), the nearest lists, that of the vector itself first.
    """

    vectors: Vectors
    lists: Lists

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True)
class Keys:
    """Vectors that others are compared with, by their lists.

    Attributes:
        vectors: float32, (n, d), unit rows.
        rows: int64, (m,), positions of those that are compared, list by list, ascending in each.
        lists: int32, (l,), the lists that hold any, ascending.
        ends: int64, (l + 1,), where each list's rows start, and where the last one's end.
    """

    vectors: Vectors
    rows: Positions
    lists: Lists
    ends: Positions

    @classmethod
    def of(cls, vectors: Vectors, own: Lists, rows: Positions) -> "Keys":
        """Sort rows by list.

        Args:
            vectors: float32, (n, d), unit rows.
            own: int32, (n,), the list of each vector.
            rows: int64, (m,), ascending, those that are compared.
        """
        ordered = rows[np.argsort(own[rows], kind="stable")]
        lists, starts = np.unique(own[ordered], return_index=True)
        return cls(vectors, ordered, lists, np.append(starts, len(ordered)))


def pairs_above(
    queries: Block, rows: Positions, keys: Keys, threshold: float, before: bool = False
) -> Pairs:
    """Find the keys whose cosine with a query is above the threshold.

    Args:
        queries: unit vectors and the lists that they look into.
        rows: int64, (m,), ascending, those that look for their like.
        keys: what is compared with them.
        threshold: cosine; what equals it is not above it.
        before: the keys are of the queries' own block, and those before a query alone are wanted.
    """
    if len(rows) == 0 or len(keys.rows) == 0:
        return Pairs.of([])
    compare = partial(_compared, queries.vectors, keys.vectors, threshold, before)
    units = list(_units(queries.lists[rows], rows, keys))
    threads = task_cores()
    # Products of this size are worth no second thread of their own, and tasks share the cores.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        a_turn = max(1, len(units) // (threads * _TURNS_A_THREAD))
        turns = [units[start : start + a_turn] for start in range(0, len(units), a_turn)]
        found = pool.map(lambda turn: [part for unit in turn for part in compare(*unit)], turns)
        return Pairs.of([part for parts in found for part in parts])


def pairs_before(block: Block, rows: Positions, keys: Positions, threshold: float) -> Pairs:
    """Find pairs of some rows of a block with those of its `keys`, int64, that lie before them."""
    own = Keys.of(block.vectors, block.lists[:, 0], keys)
    return pairs_above(block, rows, own, threshold, before=True)


def _units(probed: Lists, rows: Positions, keys: Keys) -> Iterator[tuple[Positions, Positions]]:
    """Give, list by list, some of the rows that look into it, and the keys that it holds."""
    flat = probed.ravel()
    places = np.flatnonzero((flat >= keys.lists[0]) & (flat <= keys.lists[-1]))
    order = places[np.argsort(flat[places], kind="stable")]
    asked, named = rows[order // probed.shape[1]], flat[order]
    starts = np.searchsorted(named, keys.lists, "left").tolist()
    stops = np.searchsorted(named, keys.lists, "right").tolist()
    for number, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        held = keys.rows[keys.ends[number] : keys.ends[number + 1]]
        for first in range(start, stop, _ROWS_AT_ONCE):
            yield asked[first : min(first + _ROWS_AT_ONCE, stop)], held


def _compared(
    vectors: Vectors,
    key_vectors: Vectors,
    threshold: float,
    before: bool,
    asked: Positions,
    held: Positions,
) -> Iterator[Pairs]:
    if before:
        held = held[: np.searchsorted(held, asked[-1])]
    left = vectors[asked]
    for start in range(0, len(held), _KEYS_AT_ONCE):
        some = held[start : start + _KEYS_AT_ONCE]
        right = key_vectors[some]
        near = np.flatnonzero(left @ right.T > threshold - _MARGIN)
        if before:
            near = near[some[near % len(some)] < asked[near // len(some)]]
        for first in range(0, len(near), _PAIRS_AT_ONCE):
            one, other = np.divmod(near[first : first + _PAIRS_AT_ONCE], len(some))
            doubles = left[one].astype(np.float64), right[other].astype(np.float64)
            similarities = np.einsum("ij,ij->i", *doubles)
            above = similarities > threshold
            if above.any():
                yield Pairs(asked[one[above]], some[other[above]], similarities[above])
