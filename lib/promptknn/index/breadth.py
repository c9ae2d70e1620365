"""How much of an index a search looks at: the least that reaches a recall."""

from collections.abc import Callable
from dataclasses import dataclass

from promptknn.index.factory import MOST_CANDIDATES, lists_of, scores_again

# Scoring candidates again takes most of a search.
_K_FACTORS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, MOST_CANDIDATES)

Measure = Callable[[int, float | None], float]


@dataclass(frozen=True)
class Breadth:
    """What a search looks at, and the recall that was measured so.

    Attributes:
        nprobe: lists to search for a query; 0 for a flat index.
        k_factor: candidates that each shard scores again, a multiple of the neighbours wanted; None
            where the index scores none again.
        recall: 0 to 1.
    """

    nprobe: int
    k_factor: float | None
    recall: float


def least_breadth(factory: str, measure: Measure, target: float) -> Breadth:
    """Find the fewest lists that reach a recall, and then the fewest candidates in them.

    Recall is taken to grow with both, so that few of them are tried.

    Args:
        factory: FAISS factory string of the shards.
        measure: gives the recall for an nprobe and a k_factor.
        target: recall that is wanted.

    Returns:
        What reaches it; all there is to search where nothing does.
    """
    most = MOST_CANDIDATES if scores_again(factory) else None
    found = missed = Breadth(0, most, 0.0)
    for nprobe in nprobe_candidates(lists_of(factory)):
        missed, found = found, Breadth(nprobe, most, measure(nprobe, most))
        if found.recall >= target:
            break
    else:
        return found
    between = (missed.nprobe + found.nprobe) // 2
    if between > missed.nprobe:
        fewer = Breadth(between, most, measure(between, most))
        found = fewer if fewer.recall >= target else found
    return found if most is None else _fewest_candidates(found, measure, target)


def _fewest_candidates(found: Breadth, measure: Measure, target: float) -> Breadth:
    low, high = 0, len(_K_FACTORS) - 1
    while low < high:
        middle = (low + high) // 2
        k_factor = _K_FACTORS[middle]
        fewer = Breadth(found.nprobe, k_factor, measure(found.nprobe, k_factor))
        if fewer.recall >= target:
            found, high = fewer, middle
        else:
            low = middle + 1
    return found


def nprobe_candidates(lists: int) -> list[int]:
    """Give the numbers of lists to try, from few to all."""
    if lists == 0:
        return [0]
    doubling = [2**power for power in range(lists.bit_length()) if 2**power < lists]
    return [*doubling, lists]
