import hashlib
from pathlib import Path

import numpy as np
import pytest

from promptknn.sequential_files import copy_files, write_arrays


def test_arrays_are_read_by_their_names(volume: Path) -> None:
    arrays = {"kind": np.array("ridge"), "rows": np.arange(6, dtype=np.float32).reshape(2, 3)}
    write_arrays(volume / "arrays.npz", arrays)
    with np.load(volume / "arrays.npz", allow_pickle=False) as found:
        assert sorted(found) == ["kind", "rows"]
        assert str(found["kind"]) == "ridge"
        np.testing.assert_array_equal(found["rows"], arrays["rows"])


def test_copies_are_the_same_files_and_hashed(tmp_path: Path, volume: Path) -> None:
    contents = {"empty": b"", "small": b"abc", "below/large": np.arange(3_000_000).tobytes()}
    for name, content in contents.items():
        (tmp_path / "made" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "made" / name).write_bytes(content)
    hashes = copy_files(tmp_path / "made", volume / "index" / "copy")
    copies = volume / "index" / "copy"
    assert {name: (copies / name).read_bytes() for name in contents} == contents
    assert hashes == {
        name: hashlib.sha256(content).hexdigest() for name, content in contents.items()
    }


def test_a_folder_that_is_there_is_not_mixed_with_another(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "copy").mkdir()
    with pytest.raises(FileExistsError):
        copy_files(tmp_path / "made", tmp_path / "copy")
