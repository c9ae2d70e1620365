"""Fingerprints of model files, so that an index knows the very weights it was made with."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

_DIGITS = 12
_WEIGHTS = {".safetensors", ".bin", ".pt", ".pth", ".json", ".txt"}


def fingerprint(paths: Iterable[Path]) -> str:
    """Hash files, or the weights and settings in folders: 12 hex digits."""
    digest = hashlib.sha256()
    for file in _files(paths):
        status = file.stat()
        digest.update(_hash(str(file), status.st_size, status.st_mtime_ns))
    return digest.hexdigest()[:_DIGITS]


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_file():
            yield path
        else:
            weights = (file for file in path.rglob("*") if file.suffix in _WEIGHTS)
            yield from sorted(file for file in weights if file.is_file())


@lru_cache(maxsize=256)
def _hash(path: str, size: int, modified: int) -> bytes:  # noqa: ARG001
    # Size and time are there for the cache: a file that is written anew is read anew.
    with Path(path).open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest()
