"""Files for storage that takes each of them from its first byte to its last, and then no more.

Unity Catalog Volumes and mounted buckets are such: "direct-append or non-sequential (random)
writes", in the words of Databricks, fail there. A zip archive goes back to the head of each entry,
so an .npz is made in memory; what is written for long, or by a library that goes back, is made in a
folder of the host's own (local_folder.py) and copied.
"""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

_BYTES_AT_ONCE = 8 * 2**20


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
    """Write small arrays into an .npz file, under their names."""
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    path.write_bytes(content.getbuffer())


def copy_files(source: Path, target: Path) -> dict[str, str]:
    """Copy a folder's files into a folder that is made; both file by file, and in one reading.

    Args:
        source: has the files, in folders of its own too.
        target: must not be there.

    Returns:
        SHA-256 of each file, by its path below the folder.
    """
    target.mkdir(parents=True)
    hashes = {}
    for file in sorted(file for file in source.rglob("*") if file.is_file()):
        name = file.relative_to(source)
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        hashes[name.as_posix()] = _copied(file, target / name)
    return hashes


def _copied(source: Path, target: Path) -> str:
    digest = hashlib.sha256()
    # Not by shutil: its sendfile would leave the hash a reading of its own.
    with source.open("rb") as content, target.open("wb") as copy:
        while piece := content.read(_BYTES_AT_ONCE):
            digest.update(piece)
            copy.write(piece)
    return digest.hexdigest()
