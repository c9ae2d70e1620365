import subprocess
import sys
from pathlib import Path

import pytest

from promptknn.errors import StorageError
from promptknn.local_folder import local_folder

# Ends as a killed process does: nothing after the line is run.
KILLED = """
import os, sys
from pathlib import Path
from promptknn.local_folder import local_folder
with local_folder(Path(sys.argv[1])) as folder:
    (folder / "vectors.faiss").write_text("half")
    os._exit(1)
"""


def test_the_folder_is_empty_and_gone_afterwards(tmp_path: Path) -> None:
    with local_folder(tmp_path / "cache") as folder:
        assert list(folder.iterdir()) == []
        assert folder.parent == tmp_path / "cache"
        (folder / "file").write_text("content")
    assert list((tmp_path / "cache").iterdir()) == []


def _fail_midway(cache: Path) -> None:
    with local_folder(cache) as folder:
        (folder / "file").write_text("content")
        raise ZeroDivisionError


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        _fail_midway(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    (left,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert (left / "vectors.faiss").exists()
    with local_folder(tmp_path) as folder:
        assert not left.exists()
        assert folder.exists()
    assert list(tmp_path.iterdir()) == []


def test_folders_side_by_side_leave_each_other_alone(tmp_path: Path) -> None:
    with local_folder(tmp_path) as one:
        (one / "file").write_text("of one")
        with local_folder(tmp_path) as other:
            assert one != other
        assert (one / "file").read_text() == "of one"


def test_other_files_of_the_cache_stay(tmp_path: Path) -> None:
    for name in ("abc.lock", ".abc-0123.npy"):
        (tmp_path / name).write_text("kept")
    with local_folder(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".abc-0123.npy", "abc.lock"]


def test_a_cache_that_takes_no_folder_is_named_with_the_key(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with (
        pytest.raises(StorageError, match=r"cache .*set `index\.cache`"),
        local_folder(tmp_path / "cache"),
    ):
        pass
