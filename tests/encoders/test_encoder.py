import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from promptknn.encoders.encoder import Vectors, check_stored, unit
from promptknn.errors import InvalidVectorError

VECTORS = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.floats(np.float32(0.01), 100, width=32),
)


@given(VECTORS)
def test_rows_get_unit_length_and_keep_their_direction(vectors: Vectors) -> None:
    scaled = unit(vectors)
    assert scaled.dtype == np.float32
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(np.linalg.norm(scaled, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(scaled * lengths, vectors, rtol=1e-4)


def test_no_rows_stay_no_rows() -> None:
    assert unit(np.zeros((0, 3), np.float32)).shape == (0, 3)


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf, -np.inf])
def test_a_row_without_a_direction_is_named_with_the_cure(bad: float) -> None:
    vectors = np.ones((3, 4), np.float32)
    vectors[1] = bad
    with pytest.raises(InvalidVectorError, match=r"^Vector 1 of 3 .*check the model's weights"):
        unit(vectors)


def test_one_bad_coordinate_makes_a_row_bad() -> None:
    vectors = np.ones((3, 4), np.float32)
    vectors[2, 3] = np.nan
    with pytest.raises(InvalidVectorError, match="Vector 2 of 3"):
        unit(vectors)


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_a_stored_vector_that_cannot_be_used_is_named_by_its_prompt(bad: float) -> None:
    vectors, ids = np.ones((3, 4), np.float32), pa.array(["a", "b", "c"])
    check_stored(vectors, ids, "clip_embedding")
    vectors[1] = bad
    with pytest.raises(InvalidVectorError, match=r"^The clip_embedding of prompt b .*delete its"):
        check_stored(vectors, ids, "clip_embedding")
