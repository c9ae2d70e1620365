"""One job at a time writes an index location; who comes second is told so."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from promptknn.errors import IndexInUseError, StorageError

_FILE = "build.lock"


@contextmanager
def build_lock(location: Path) -> Iterator[None]:
    """Hold the index location while shards or their scratch files are written.

    The system takes the lock back from a process that is killed. Storage without locks (a mounted
    bucket, say) gives none: there jobs must not overlap.

    Args:
        location: of the index; made where it is not there.

    Raises:
        IndexInUseError: another job holds it.
        StorageError: nothing can be written there.
    """
    try:
        location.mkdir(parents=True, exist_ok=True)
        file = os.open(location / _FILE, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise unwritable(location, error) from error
    try:
        # Windows has no such module, and no cluster that shares a folder either.
        with suppress(ImportError):
            _take(file, location)
        yield
    finally:
        os.close(file)


def unwritable(location: Path, error: OSError) -> StorageError:
    """Make the failure of an index location that takes no file."""
    return StorageError(
        f"The index cannot be written to {location} ({error.strerror or error}): make room "
        f"there, or set `index.location` to another folder."
    )


def _take(file: int, location: Path) -> None:
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise IndexInUseError(
            f"Another job is writing the index in {location}: wait until it has ended, then run "
            f"this one again, which goes on from there."
        ) from error
    except OSError:
        return
