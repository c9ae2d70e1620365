"""Cutting streams of Arrow batches: where a key changes, or every so many rows."""

from collections.abc import Iterable, Iterator
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


def pieces_of(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Cut batches into pieces of so many rows at most."""
    for batch in batches:
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)
