"""A folder on a host's own disk, for what is written there before all hosts see it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from filelock import FileLock

from promptknn.errors import StorageError

_NAME = ".writing-"


@contextmanager
def local_folder(cache: Path) -> Iterator[Path]:
    """Give an empty folder, which is gone afterwards, as is what killed processes left beside it.

    Args:
        cache: what the host keeps.

    Raises:
        StorageError: nothing can be written into the cache, or it is another user's.
    """
    folder = cache / f"{_NAME}{uuid4().hex}"
    # The system takes the lock from a process that is killed: then the folder is nobody's.
    lock = FileLock(_lock(folder))
    try:
        make_private(cache)
        _remove_leftovers(cache)
        lock.acquire()
        folder.mkdir()
    except OSError as error:
        raise StorageError(
            f"Nothing can be written to the cache {cache} ({error.strerror or error}): make room "
            f"there, or set `index.cache` to another folder."
        ) from error
    try:
        yield folder
    finally:
        _remove(folder)
        lock.release()


def make_private(cache: Path) -> None:
    """Make the cache, or refuse one that another user could have filled: it lies in /tmp.

    Raises:
        StorageError: it is another user's.
    """
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    if hasattr(os, "getuid") and cache.stat().st_uid not in (os.getuid(), 0):
        raise StorageError(
            f"The cache {cache} belongs to another user: set `index.cache` to a folder of your own."
        )


def _remove_leftovers(cache: Path) -> None:
    for lock in cache.glob(f"{_NAME}*.lock"):
        # Of one that is still written, the lock is held: that ends in a TimeoutError at once.
        with suppress(OSError), FileLock(lock, timeout=0):
            _remove(lock.with_suffix(""))


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        _lock(folder).unlink()


def _lock(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")
