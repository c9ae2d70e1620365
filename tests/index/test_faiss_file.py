import os
from pathlib import Path

import faiss
import numpy as np
import pytest

from promptknn.index.factory import train
from promptknn.index.faiss_file import write_index
from tests.shards import random_units

KEYS = random_units(200, 8, seed=0)


@pytest.mark.parametrize("factory", ["Flat", "IVF4,SQ8"])
def test_what_is_written_is_read(volume: Path, factory: str) -> None:
    index = train(factory, KEYS)
    index.add(KEYS)
    write_index(index, volume / "vectors.faiss")
    found = faiss.read_index(str(volume / "vectors.faiss"))
    np.testing.assert_array_equal(faiss.serialize_index(found), faiss.serialize_index(index))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "full").symlink_to("/dev/full")
    index = train("Flat", KEYS)
    index.add(KEYS[:1])
    with pytest.raises(OSError, match=os.strerror(28)):
        write_index(index, tmp_path / "full")
