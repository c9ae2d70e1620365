from pathlib import Path

import numpy as np
import pytest

from promptknn.index.growing_array import GrowingArray
from tests.shards import random_units


@pytest.mark.parametrize("batches", [[5], [1, 2, 3], [0, 4], [3, 0, 2], [100_000, 7]])
def test_numpy_reads_the_rows_of_all_batches(tmp_path: Path, batches: list[int]) -> None:
    rows = random_units(sum(batches), 3, seed=0)
    array = GrowingArray(tmp_path / "rows.npy")
    for part in np.split(rows, np.cumsum(batches)[:-1]):
        array.append(part)
    array.finish()
    found = np.load(tmp_path / "rows.npy", mmap_mode="r")
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, rows.astype(np.float16))


def test_rows_that_are_not_contiguous_are_written_right(tmp_path: Path) -> None:
    rows = random_units(10, 4, seed=0)[::2, ::-1]
    array = GrowingArray(tmp_path / "rows.npy")
    array.append(rows)
    array.finish()
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy"), rows.astype(np.float16))


def test_no_rows_make_an_empty_array(tmp_path: Path) -> None:
    GrowingArray(tmp_path / "rows.npy").finish()
    assert len(np.load(tmp_path / "rows.npy")) == 0
