"""Vectors between numpy and Arrow, without a Python list in between."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from promptknn.errors import InvalidVectorError

Floats = npt.NDArray[np.float32]
Texts = npt.NDArray[np.object_]


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
        raise _different_dimensions()
    return values.reshape(rows, -1)


def to_half_arrow(vectors: Floats) -> pa.BinaryArray:
    """Give the rows of a float32 (n, d) array as bytes of float16, for which Spark has no type."""
    rows, dim = vectors.shape
    halves = np.ascontiguousarray(vectors, dtype="<f2")
    offsets = pa.array(np.arange(rows + 1) * halves.itemsize * dim, pa.int32())
    return pa.Array.from_buffers(
        pa.binary(), rows, [None, offsets.buffers()[1], pa.py_buffer(halves.tobytes())]
    )


def from_half_arrow(column: pa.BinaryArray) -> Floats:
    """Give what `to_half_arrow` made as a float32 (n, d) array.

    Raises:
        InvalidVectorError: the rows have different lengths.
    """
    rows = len(column)
    if rows == 0:
        return np.zeros((0, 0), dtype=np.float32)
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[column.offset : column.offset + rows + 1]
    if len(set(np.diff(ends).tolist())) > 1:
        raise _different_dimensions()
    halves = np.frombuffer(data, dtype="<f2", count=(ends[-1] - ends[0]) // 2, offset=ends[0])
    return halves.reshape(rows, -1).astype(np.float32)


def in_order(table: pa.Table, key: str, vectors: str) -> tuple[Texts, Floats]:
    """Give the values of a key, sorted, and the vectors beside them: float32, (n, d).

    They are copied once, to their places: a sorted table would be a copy more.

    Raises:
        InvalidVectorError: the vectors have different lengths.
    """
    order = pc.sort_indices(table.column(key)).to_numpy()
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    found, start = np.zeros((0, 0), dtype=np.float32), 0
    for part in map(from_arrow, filter(len, table.column(vectors).chunks)):
        if start == 0:
            found = np.empty((table.num_rows, part.shape[1]), dtype=np.float32)
        if part.shape[1] != found.shape[1]:
            raise _different_dimensions()
        found[place[start : start + len(part)]] = part
        start += len(part)
    return table.column(key).to_numpy()[order], found


def _different_dimensions() -> InvalidVectorError:
    return InvalidVectorError(
        "Vectors of different dimensions stand in one column: two models wrote to it; "
        "set `clip.model` and `sentence.model` to one of them."
    )
