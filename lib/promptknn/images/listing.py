"""Finding image files: folders (searched to the bottom), globs and single files."""

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from promptknn.errors import MissingInputError

SCHEMA = pa.schema([
    ("image_uri", pa.string()),
    ("image_bytes", pa.int64()),
    ("modified_at", pa.timestamp("us", tz="UTC")),
])  # fmt: skip
UNKNOWN_SIZE = -1


@dataclass
class Listing:
    """Image files, and how many others lay beside them.

    Attributes:
        uris: paths, sorted, each once.
        bytes: their sizes; UNKNOWN_SIZE where the file cannot be looked at.
        modified_us: their modification times, microseconds since 1970.
        left_out: files without one of the extensions.
    """

    uris: list[str] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)
    modified_us: list[int] = field(default_factory=list)
    left_out: int = 0

    def to_arrow(self) -> pa.Table:
        """Give the files as a table of image_uri, image_bytes and modified_at."""
        modified = pa.array(self.modified_us, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
        return pa.table([self.uris, pa.array(self.bytes, pa.int64()), modified], schema=SCHEMA)


def list_images(paths: Iterable[str], extensions: Iterable[str]) -> Listing:
    """List image files.

    Args:
        paths: folders, globs or files; a file named outright needs no known extension.
        extensions: of files in folders and globs, lower case, without a dot.

    Raises:
        MissingInputError: a path matches nothing, or a folder cannot be listed.
    """
    listing = Listing()
    endings = tuple(f".{extension.lower()}" for extension in extensions)
    found: set[str] = set()
    for path in paths:
        if os.path.isfile(path):
            found.add(path)
            continue
        candidates = list(_candidates(path))
        if not candidates:
            raise MissingInputError(
                f"No image is at {path}: set `images.paths` to a folder, a glob or a file."
            )
        images = {candidate for candidate in candidates if candidate.lower().endswith(endings)}
        listing.left_out += len(candidates) - len(images)
        found |= images
    for uri in sorted(found):
        size, modified = _look(uri)
        listing.uris.append(_text(uri))
        listing.bytes.append(size)
        listing.modified_us.append(modified)
    return listing


def fixed_part(path: str) -> str:
    """Give a path as it is, of a glob the folder above its first wildcard."""
    if os.path.lexists(path) or not glob.has_magic(path):
        return path
    parts = path.split(os.sep)
    first = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    return os.sep.join(parts[:first]) or os.sep


def _candidates(path: str) -> Iterator[str]:
    if os.path.isdir(path):
        top = os.path.realpath(path)
        seen: set[str] = set()
        for folder, folders, names in os.walk(path, onerror=_refuse, followlinks=True):
            places = {name: os.path.join(folder, name) for name in sorted(folders)}
            folders[:] = [name for name, place in places.items() if _is_new(place, top, seen)]
            yield from (os.path.join(folder, name) for name in names)
    else:
        for match in glob.iglob(path, recursive=True):
            if os.path.isdir(match):
                yield from _candidates(match)
            else:
                yield match


def _is_new(folder: str, top: str, seen: set[str]) -> bool:
    """Tell a folder to search from a link that leads to images listed anyway, or in a circle."""
    real = os.path.realpath(folder)
    if os.path.islink(folder) and (_holds(top, real) or _holds(real, top)):
        return False
    if real in seen:
        return False
    seen.add(real)
    return True


def _holds(folder: str, inner: str) -> bool:
    return os.path.commonpath([folder, inner]) == folder


def _refuse(error: OSError) -> None:
    raise MissingInputError(
        f"The folder {error.filename} cannot be listed ({error.strerror}): let this job read it, "
        f"or name other folders in `images.paths`."
    ) from error


def _look(path: str) -> tuple[int, int]:
    try:
        status = Path(path).stat()
    except OSError:
        return UNKNOWN_SIZE, 0
    return status.st_size, status.st_mtime_ns // 1000


def _text(path: str) -> str:
    # Spark's strings are UTF-8: another name is shown escaped, and refused as unreadable.
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
