import hypothesis.strategies as st
import pytest
from hypothesis import given

from promptknn.report.bins import Bins, round_bins

FIGURE = st.floats(-1.0, 1.0, allow_nan=False)


@pytest.mark.parametrize(
    ("low", "high", "bins"),
    [
        (0.2, 0.9, Bins(0.2, 0.05, 14)),
        (0.0, 1.0, Bins(0.0, 0.1, 10)),
        (0.312, 0.348, Bins(0.312, 0.002, 18)),
        (0.5, 0.5, Bins(0.5, 0.01, 1)),
    ],
)
def test_bins_are_round(low: float, high: float, bins: Bins) -> None:
    found = round_bins(low, high)
    assert (found.first, found.step) == pytest.approx((bins.first, bins.step))
    assert found.count == bins.count


@given(FIGURE, FIGURE)
def test_bins_hold_both_ends_and_are_few(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    bins = round_bins(low, high)
    edge = 1e-6 + 1e-6 * bins.step
    assert bins.first <= low + edge
    assert bins.first + bins.step * bins.count >= high - edge
    assert 1 <= bins.count <= 21


def test_bins_without_a_count_are_empty() -> None:
    filled = Bins(0.1, 0.1, 3).filled({1: 5})
    assert [(one.low, one.high, one.count) for one in filled] == [
        (0.1, 0.2, 0), (0.2, 0.3, 5), (0.3, 0.4, 0),
    ]  # fmt: skip
