"""Whether the folder that stands for a Volume refuses what a Volume refuses, and nothing else."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from promptknn.index.growing_array import GrowingArray


def test_writes_that_go_back_are_refused(volume: Path) -> None:
    with pytest.raises(OSError, match="no such write"):
        np.savez(volume / "arrays.npz", one=np.arange(5))
    with pytest.raises(OSError, match="no such write"), zipfile.ZipFile(volume / "a.zip", "w") as a:
        a.writestr("name", "content")
    array = GrowingArray(volume / "rows.npy")
    array.append(np.zeros((2, 3), np.float32))
    with pytest.raises(OSError, match="no such write"):
        array.finish()


def test_safetensors_are_refused(volume: Path, tmp_path: Path) -> None:
    save_file({"one": torch.zeros(3)}, tmp_path / "file")
    with pytest.raises(OSError, match="no such write"):
        save_file({"one": torch.zeros(3)}, volume / "file")


@pytest.mark.parametrize("mode", ["a", "ab", "r+", "r+b"])
def test_files_that_are_there_are_not_written_on(volume: Path, mode: str) -> None:
    (volume / "file").write_text("content")
    with pytest.raises(OSError, match="no such write"), (volume / "file").open(mode):
        pass
    with (volume / "file").open("wb") as file, pytest.raises(OSError, match="no such write"):
        file.truncate(100)


def test_writes_from_the_first_byte_to_the_last_are_taken(volume: Path, tmp_path: Path) -> None:
    np.save(volume / "array.npy", np.arange(5))
    assert np.load(volume / "array.npy").tolist() == [0, 1, 2, 3, 4]
    (volume / "file").write_text("naïve", encoding="utf-8")
    (volume / "file").write_text("café", encoding="utf-8")
    (volume / "file").rename(volume / "moved")
    assert (volume / "moved").read_text(encoding="utf-8") == "café"
    shutil.copyfile(volume / "moved", volume / "copy")
    assert (volume / "copy").read_bytes() == (volume / "moved").read_bytes()


def test_other_folders_take_what_they_take(volume: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "arrays.npz", one=np.arange(5))
    with (tmp_path / "arrays.npz").open("ab") as file:
        file.write(b"more")
