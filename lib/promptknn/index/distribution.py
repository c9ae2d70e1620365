"""Getting an index to the workers: each host has one copy, which its workers map.

A folder reaches the host's cache from broadcast variables or from shared storage, is checked
against its sha256, and is seen there only when complete. Python workers that come later find it,
and look whether size and time of its files are still those of the ones that were checked: to hash
an index of many gigabytes again in each worker would take longer than to search it.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from filelock import FileLock

from promptknn.errors import CorruptShardError, StorageError
from promptknn.index.broadcast_files import write_pieces
from promptknn.index.query_map import QueryMap
from promptknn.index.searchable import SearchableIndex
from promptknn.index.shard import Shard
from promptknn.index.shard_writer import sha256
from promptknn.local_folder import make_private

if TYPE_CHECKING:
    from promptknn.index.broadcast_files import Piece


@dataclass(frozen=True)
class SharedFolder:
    """A folder of an index version, and how a worker gets it.

    Attributes:
        path: where it lies on shared storage.
        files: SHA-256 of each of its files.
        content: its files as pieces of broadcast variables; None: read from `path`.
    """

    path: str
    files: Mapping[str, str]
    content: "Mapping[str, Sequence[Piece]] | None" = None

    def fetch(self, cache: Path) -> Path:
        """Give the folder on this host, filled by the first worker that asks.

        Raises:
            CorruptShardError: a file is missing or not the one that was written.
            StorageError: the cache is full, or another user's.
        """
        place = self.place(cache)
        try:
            make_private(cache)
            if self._is_whole(place):
                return place
            with FileLock(_lock(place)):
                if not self._is_whole(place):
                    shutil.rmtree(place, ignore_errors=True)
                    self._fill(place)
        except OSError as error:
            raise StorageError(
                f"The cache {cache} cannot be filled from {self.path} "
                f"({error.strerror or error}): make room there, or set `index.cache` to another "
                f"folder."
            ) from error
        return place

    def place(self, cache: Path) -> Path:
        """Name the copy in a host's cache: by what the files hold."""
        return cache / "-".join(self.files[file][:16] for file in sorted(self.files))

    def discard(self, cache: Path) -> None:
        """Delete a host's copy; a worker that has mapped it keeps what it has."""
        place = self.place(cache)
        shutil.rmtree(place, ignore_errors=True)
        for beside in (_stamp(place), _lock(place)):
            beside.unlink(missing_ok=True)

    def _is_whole(self, place: Path) -> bool:
        # Cleaners of temporary folders take files one by one.
        if not all((place / name).is_file() for name in self.files):
            return False
        try:
            return bool(json.loads(_stamp(place).read_text()) == self._stats(place))
        except (OSError, ValueError):
            return False

    def _stats(self, place: Path) -> dict[str, list[int]]:
        found = {name: (place / name).stat() for name in self.files}
        return {name: [each.st_size, each.st_mtime_ns] for name, each in found.items()}

    def _fill(self, place: Path) -> None:
        # Whoever holds the lock fills alone: what else lies here, a killed worker left.
        for unfinished in place.parent.glob(f".{place.name}-{'?' * 32}"):
            shutil.rmtree(unfinished, ignore_errors=True)
        folder = place.with_name(f".{place.name}-{uuid4().hex}")
        folder.mkdir()
        try:
            for name, expected in self.files.items():
                try:
                    if self.content is not None:
                        write_pieces(self.content[name], folder / name)
                    else:
                        shutil.copyfile(Path(self.path) / name, folder / name)
                except FileNotFoundError as error:
                    raise self._corrupt(name, "is missing") from error
                if sha256(folder / name) != expected:
                    raise self._corrupt(
                        name, "is not the file that was written (its sha256 differs)"
                    )
            folder.rename(place)
            _stamp(place).write_text(json.dumps(self._stats(place)))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _corrupt(self, name: str, what: str) -> CorruptShardError:
        return CorruptShardError(
            f"{self.path}/{name} {what}: run jobs/build_index.py, which writes it anew."
        )


def _stamp(place: Path) -> Path:
    return place.with_name(f"{place.name}.checked")


def _lock(place: Path) -> Path:
    return place.with_name(f"{place.name}.lock")


@dataclass(frozen=True)
class IndexHandle:
    """An index version as a task receives it: small, picklable, opened once a worker.

    Attributes:
        nprobe: inverted lists to search for a query; 0 for a flat index.
        k_factor: candidates that each shard scores again, a multiple of the neighbours wanted.
        left_out: ids of prompts that were removed and that its shards may still hold.
    """

    version: str
    query_map: SharedFolder
    shards: tuple[SharedFolder, ...]
    nprobe: int
    cache: str
    left_out: tuple[str, ...] = ()
    k_factor: float | None = None

    def open(self) -> SearchableIndex:
        """Open the index, from this worker's memory where it has opened it before."""
        cache = Path(self.cache)
        shards = tuple(str(shard.fetch(cache)) for shard in self.shards)
        query_map = str(self.query_map.fetch(cache))
        return _opened(query_map, shards, self.nprobe, self.k_factor, self.left_out)

    def open_query_map(self) -> QueryMap:
        """Open the query map alone."""
        return QueryMap.load(self.query_map.fetch(Path(self.cache)))

    def part(self, numbers: Sequence[int]) -> "IndexHandle":
        """Give the handle of some of its shards."""
        return replace(self, shards=tuple(self.shards[number] for number in numbers))


@lru_cache(maxsize=1)
def _opened(
    query_map: str,
    shards: tuple[str, ...],
    nprobe: int,
    k_factor: float | None,
    left_out: tuple[str, ...],
) -> SearchableIndex:
    opened = [Shard(Path(folder), nprobe, k_factor) for folder in shards]
    return SearchableIndex(opened, QueryMap.load(Path(query_map)), left_out)
