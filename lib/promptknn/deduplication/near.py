"""Near duplicates: the greedy choice of which prompts are kept (paper, section 3.1: cosine > 0.9).

Prompts are gone through in the order of their prompt_id. A prompt is dropped if and only if its
sentence embedding lies above the threshold with a prompt kept before it; a dropped prompt never
drops another. Ids are hashes, so the order is random but always the same, and after the first n
prompts few pairs are left among the next 3n whatever the pool: each round decides so many more,
and its pairs stay few. No table of all pairs is ever made.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptknn.deduplication.pairs import (
    Block,
    Pairs,
    Positions,
    Similarities,
    pairs_before,
)

NONE = -1
_FIRST_ROUND, _GROWTH = 2_048, 4


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


def greedy(block: Block, threshold: float, before: Similarities) -> Decisions:
    """Decide which rows are kept, in their order.

    Args:
        block: n vectors, in the order in which they are decided.
        threshold: cosine above which a row is dropped.
        before: float64, (n,), largest cosine above the threshold with what was kept before these
            rows; -inf where there is none.
    """
    decisions = Decisions(
        np.zeros(len(block), dtype=np.bool_),
        np.full(len(block), NONE, dtype=np.int64),
        before.copy(),
    )
    start, stop = 0, _FIRST_ROUND
    while start < len(block):
        rows = np.arange(start, min(stop, len(block)))
        kept = np.flatnonzero(decisions.kept[:start])
        _name_keepers(decisions, pairs_before(block, rows, kept, threshold))
        free = np.isneginf(decisions.similarity[rows])
        decisions.kept[rows[free]] = True
        repeated = _drop_repeated(decisions, pairs_before(block, rows[free], rows[free], threshold))
        _name_keepers(decisions, repeated)
        # What was kept in an earlier round dropped the others: of this one's some may be nearer.
        newly = rows[decisions.kept[rows]]
        _name_keepers(decisions, pairs_before(block, rows[~free], newly, threshold))
        start, stop = stop, _GROWTH * stop
    return decisions


def _name_keepers(decisions: Decisions, pairs: Pairs) -> None:
    best = pairs.best()
    best = best.where(best.similarities > decisions.similarity[best.rows])
    decisions.similarity[best.rows] = best.similarities
    decisions.keeper[best.rows] = best.keys


def _drop_repeated(decisions: Decisions, pairs: Pairs) -> Pairs:
    """Go through few rows that nothing before has dropped, pair by pair.

    Returns:
        The pairs of those that are not kept after all, with kept ones.
    """
    kept = decisions.kept
    order = np.argsort(pairs.rows, kind="stable")
    for row, key in zip(pairs.rows[order].tolist(), pairs.keys[order].tolist(), strict=True):
        if kept[key]:
            kept[row] = False
    return pairs.where(~kept[pairs.rows] & kept[pairs.keys])
