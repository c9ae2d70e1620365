"""Fingerprints of model files, so that an index knows the very weights it was made with."""

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

_DIGITS = 12
_WEIGHTS = {".safetensors", ".bin", ".pt", ".pth", ".json", ".txt"}


def fingerprint(paths: Iterable[Path]) -> str:
    """Hash files, or the weights and settings in folders: 12 hex digits."""
    return _fingerprint(tuple(str(path) for path in paths))


@lru_cache(maxsize=32)
def _fingerprint(paths: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for root in map(Path, paths):
        files = [root] if root.is_file() else sorted(root.rglob("*"))
        for file in files:
            if file.is_file() and (file == root or file.suffix in _WEIGHTS):
                with file.open("rb") as content:
                    digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:_DIGITS]
