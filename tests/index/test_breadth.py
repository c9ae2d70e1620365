import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from promptknn.index.breadth import Breadth, least_breadth, nprobe_candidates

TARGET = 0.9
AGAIN, SCALARS = "IVF{},PQ8x4fs,Refine(SQ8)", "IVF{},SQ8"


class Recall:
    """Reaches the target on so many lists and candidates; counts what is tried."""

    def __init__(self, nprobe: float, k_factor: float = 0.0) -> None:
        self.needed = nprobe, k_factor
        self.tried: list[tuple[int, float | None]] = []

    def __call__(self, nprobe: int, k_factor: float | None) -> float:
        self.tried.append((nprobe, k_factor))
        lists, candidates = self.needed
        reached = nprobe >= lists and (k_factor is None or k_factor >= candidates)
        return TARGET if reached else 0.5


@given(st.integers(1, 5_000), st.floats(0, 1), st.floats(0, 8))
@example(lists=1, share=1.0, k_factor=8.0)
@example(lists=6, share=1.0, k_factor=0.0)
def test_what_is_chosen_reaches_the_target_and_little_less_does(
    lists: int, share: float, k_factor: float
) -> None:
    recall = Recall(share * lists, k_factor)
    least = least_breadth(AGAIN.format(lists), recall, TARGET)
    assert least.k_factor is not None
    assert recall(least.nprobe, least.k_factor) == least.recall == TARGET
    assert least.nprobe <= max(1, 1.5 * recall.needed[0] + 1)
    assert least.k_factor <= max(1.0, 1.5 * k_factor)
    assert len(set(recall.tried)) <= lists.bit_length() + 5


def test_fewer_lists_than_all_are_kept_between_two_that_were_doubled() -> None:
    recall = Recall(nprobe=5)
    assert least_breadth(SCALARS.format(100), recall, TARGET) == Breadth(6, None, TARGET)
    assert recall.tried == [(1, None), (2, None), (4, None), (8, None), (6, None)]
    assert least_breadth(SCALARS.format(100), Recall(7), TARGET).nprobe == 8


def test_all_lists_and_candidates_are_kept_where_nothing_reaches_the_target() -> None:
    recall = Recall(nprobe=1, k_factor=9)
    assert least_breadth(AGAIN.format(6), recall, TARGET) == Breadth(6, 8.0, 0.5)
    assert recall.tried == [(1, 8.0), (2, 8.0), (4, 8.0), (6, 8.0)]


@pytest.mark.parametrize("needed", [0, 1])
def test_a_flat_index_has_nothing_to_choose(needed: int) -> None:
    recall = Recall(nprobe=needed)
    least = least_breadth("Flat", recall, TARGET)
    assert (least.nprobe, least.k_factor, recall.tried) == (0, None, [(0, None)])
    assert (least.recall >= TARGET) == (needed == 0)


@pytest.mark.parametrize(
    ("lists", "candidates"), [(0, [0]), (1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])]
)
def test_candidates_go_from_few_lists_to_all(lists: int, candidates: list[int]) -> None:
    assert nprobe_candidates(lists) == candidates
