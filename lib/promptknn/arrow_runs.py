"""Streams of Arrow batches that are sorted by a key."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa


def runs_of(batches: Iterator[pa.RecordBatch], key: str) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Cut batches where a whole-number key changes: one key value a piece."""
    for batch in batches:
        numbers = np.asarray(batch.column(key))
        edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
        for start, stop in pairwise(edges):
            if stop > start:
                yield int(numbers[start]), batch.slice(start, stop - start)
