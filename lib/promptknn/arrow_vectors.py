"""Vectors between numpy and Arrow, without a Python list in between."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from promptknn.errors import InvalidVectorError

Floats = npt.NDArray[np.float32]


def to_arrow(vectors: Floats) -> pa.ListArray:
    """Give the rows of a float32 (n, d) array as an Arrow list column (zero-copy values)."""
    rows, dim = vectors.shape
    return pa.ListArray.from_arrays(
        pa.array(np.arange(rows + 1) * dim, pa.int32()),
        pa.array(np.ascontiguousarray(vectors, dtype=np.float32).ravel()),
    )


def from_arrow(column: pa.Array) -> Floats:
    """Give an Arrow list column as a float32 (n, d) array.

    Raises:
        InvalidVectorError: the rows have different lengths.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    rows = len(column)
    if rows == 0:
        return np.zeros((0, 0), dtype=np.float32)
    values = np.asarray(column.flatten(), dtype=np.float32)
    if values.size % rows or not np.all(np.diff(np.asarray(column.offsets)) == values.size // rows):
        raise InvalidVectorError(
            "Vectors of different dimensions stand in one column: two models wrote to it; "
            "set `clip.model` and `sentence.model` to one of them."
        )
    return values.reshape(rows, -1)
