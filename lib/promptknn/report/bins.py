"""Round bins for a histogram, so that Spark need only count."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from promptknn.report.content import Bin

_MOST_BINS = 20
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_SMALLEST_RANGE = 1e-6


@dataclass(frozen=True)
class Bins:
    """Equal bins of a round width: number i starts at `first` + i * `step`."""

    first: float
    step: float
    count: int

    def filled(self, counts: Mapping[int, int]) -> list[Bin]:
        """Give every bin its count, 0 where it has none."""
        edges = [round(self.first + self.step * i, 9) for i in range(self.count + 1)]
        return [Bin(edges[i], edges[i + 1], counts.get(i, 0)) for i in range(self.count)]


def round_bins(low: float, high: float) -> Bins:
    """Choose bins that hold `low` to `high`, 20 at most and 8 at least where values differ."""
    if high - low < _SMALLEST_RANGE:
        step = 0.01
        return Bins(math.floor(low / step) * step, step, 1)
    wanted = (high - low) / (_MOST_BINS - 1)
    power = 10.0 ** math.floor(math.log10(wanted))
    step = next(step * power for step in _STEPS if step * power >= wanted * (1 - 1e-9))
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return Bins(first * step, step, max(last - first, 1))
