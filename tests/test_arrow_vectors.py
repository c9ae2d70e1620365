import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from promptknn.arrow_vectors import (
    Floats,
    from_arrow,
    from_half_arrow,
    in_order,
    to_arrow,
    to_half_arrow,
)
from promptknn.errors import InvalidVectorError

VECTORS = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
    elements=st.floats(width=32, allow_nan=False),
)


@given(VECTORS)
def test_vectors_come_back_as_they_were(vectors: Floats) -> None:
    column = to_arrow(vectors)
    assert column.type == pa.list_(pa.float32())
    np.testing.assert_array_equal(from_arrow(column), vectors)


@given(VECTORS, st.data())
def test_a_slice_of_a_column_gives_its_own_rows(vectors: Floats, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(vectors) - 1))
    stop = data.draw(st.integers(start + 1, len(vectors)))
    column = to_arrow(vectors).slice(start, stop - start)
    np.testing.assert_array_equal(from_arrow(column), vectors[start:stop])


@given(arrays(np.float16, array_shapes(min_dims=2, max_dims=2, max_side=12)), st.data())
def test_what_is_stored_in_halves_comes_back_as_it_was(
    halves: npt.NDArray[np.float16], data: st.DataObject
) -> None:
    vectors = halves.astype(np.float32)
    start = data.draw(st.integers(0, len(vectors) - 1))
    column = to_half_arrow(vectors)
    assert column.type == pa.binary()
    np.testing.assert_array_equal(from_half_arrow(column.slice(start)), vectors[start:])


def test_no_halves_make_an_empty_column() -> None:
    assert len(from_half_arrow(to_half_arrow(np.zeros((0, 5), np.float32)))) == 0


@given(VECTORS)
def test_chunks_are_put_together(vectors: Floats) -> None:
    column = pa.chunked_array([to_arrow(vectors), to_arrow(vectors)])
    np.testing.assert_array_equal(from_arrow(column), np.concatenate([vectors, vectors]))


def test_rows_that_are_not_contiguous_are_read_right() -> None:
    vectors = np.arange(24, dtype=np.float32).reshape(6, 4)[::2, ::-1]
    np.testing.assert_array_equal(from_arrow(to_arrow(vectors)), vectors)


@pytest.mark.parametrize("dim", [0, 5])
def test_no_rows_make_an_empty_column(dim: int) -> None:
    column = to_arrow(np.zeros((0, dim), np.float32))
    assert len(column) == 0
    assert from_arrow(column).shape[0] == 0


def test_a_column_without_chunks_is_empty() -> None:
    assert len(from_arrow(pa.chunked_array([], pa.list_(pa.float32())))) == 0


def test_vectors_without_a_coordinate_keep_their_number() -> None:
    assert from_arrow(to_arrow(np.zeros((3, 0), np.float32))).shape == (3, 0)


@pytest.mark.parametrize("rows", [[[1.0], [1.0, 2.0]], [[1.0, 2.0], [3.0], [4.0, 5.0, 6.0]]])
def test_rows_of_different_length_are_refused_with_the_cure(rows: list[list[float]]) -> None:
    with pytest.raises(InvalidVectorError, match=r"different dimensions.*`clip\.model`"):
        from_arrow(pa.array(rows, pa.list_(pa.float32())))


def test_a_missing_vector_is_refused() -> None:
    with pytest.raises(InvalidVectorError):
        from_arrow(pa.array([[1.0, 2.0], None], pa.list_(pa.float32())))


@given(VECTORS, st.data())
def test_vectors_stand_in_the_order_of_their_keys(vectors: Floats, data: st.DataObject) -> None:
    numbers = data.draw(st.permutations(range(len(vectors))))
    keys = [f"{number:02d}" for number in numbers]
    cut = data.draw(st.integers(0, len(vectors)))
    whole = pa.table({"key": keys, "vector": to_arrow(vectors)})
    table = pa.concat_tables([whole.slice(0, cut), whole.slice(cut)])
    found, ordered = in_order(table, "key", "vector")
    assert found.tolist() == sorted(keys)
    np.testing.assert_array_equal(ordered, vectors[np.argsort(numbers)])


def test_chunks_of_different_dimensions_are_refused() -> None:
    rows = [to_arrow(np.ones((2, dim), np.float32)) for dim in (2, 3)]
    table = pa.table({"key": ["a", "b", "c", "d"], "vector": pa.chunked_array(rows)})
    with pytest.raises(InvalidVectorError, match="different dimensions"):
        in_order(table, "key", "vector")
