import subprocess
import sys
from pathlib import Path

import pytest

from promptknn.errors import IndexInUseError, StorageError
from promptknn.index.build_lock import build_lock

HOLD = """
import sys, time
from pathlib import Path
from promptknn.index.build_lock import build_lock
with build_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_who_comes_second_is_told_and_takes_over_from_a_killed_process(tmp_path: Path) -> None:
    location = tmp_path / "index"
    command = [sys.executable, "-c", HOLD, str(location)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(IndexInUseError, match=r"Another job is writing the index in .*: wait"),
            build_lock(location),
        ):
            pass
        holder.kill()
        holder.wait()
    with build_lock(location):
        assert location.is_dir()


def test_the_lock_is_free_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), build_lock(tmp_path):
        raise ZeroDivisionError
    with build_lock(tmp_path), pytest.raises(IndexInUseError), build_lock(tmp_path):
        pass


def test_a_place_that_cannot_be_written_is_named_with_the_key(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(StorageError, match=r"Not a directory\): .*set `index\.location`"),
        build_lock(tmp_path / "file" / "index"),
    ):
        pass
