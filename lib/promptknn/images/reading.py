"""Reading image files that strangers named: only regular files, only under the folders set."""

import os
import re
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from promptknn.images.decoding import RefusedImageError
from promptknn.images.listing import fixed_part

# 16 bits of red, green, blue and alpha without compression: no usable picture needs more.
_MOST_BYTES_A_PIXEL = 8
_HEADER_BYTES = 1_000_000
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_ESCAPED_BYTE = re.compile(r"\\x[89a-f][0-9a-f]")


def roots_of(paths: Iterable[str]) -> tuple[str, ...]:
    """Give the places below which images may lie, links followed: a glob's is its fixed part."""
    return tuple(os.path.realpath(fixed_part(path)) for path in paths)


def read_image(uri: str, roots: Sequence[str] | None, maximum_megapixels: float) -> bytes:
    """Read an image file.

    Args:
        uri: a path.
        roots: as `roots_of` gives them; None where promptknn itself wrote the URI.
        maximum_megapixels: of a usable picture, which bounds the size of its file.

    Raises:
        RefusedImageError: outside_paths, unreadable, not_a_file or too_large.
    """
    try:
        if _SCHEME.match(uri):
            raise RefusedImageError("outside_paths", "an address, not a path: mount what it names")
        if roots is not None and not _below(os.path.realpath(uri), roots):
            raise RefusedImageError("outside_paths", "it does not lie below `images.paths`")
        # Looked at first: to open a pipe waits for its writer, to open a device may do anything.
        _check(Path(uri).stat(), maximum_megapixels)
        # In between it may have become a pipe.
        descriptor = os.open(uri, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            _check(os.fstat(descriptor), maximum_megapixels)
            return file.read()
    except ValueError as error:
        raise RefusedImageError("unreadable", "no file has such a name") from error
    except FileNotFoundError as error:
        escaped = ", or its name is not UTF-8: rename it" if _ESCAPED_BYTE.search(uri) else ""
        raise RefusedImageError("unreadable", f"{error.strerror}{escaped}") from error
    except OSError as error:
        raise RefusedImageError("unreadable", error.strerror or type(error).__name__) from error


def _below(path: str, roots: Sequence[str]) -> bool:
    return any(path == root or path.startswith(root.rstrip(os.sep) + os.sep) for root in roots)


def _check(status: os.stat_result, maximum_megapixels: float) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise RefusedImageError("not_a_file", "a folder, a pipe or a device")
    if status.st_size > maximum_megapixels * 1e6 * _MOST_BYTES_A_PIXEL + _HEADER_BYTES:
        raise RefusedImageError("too_large", f"{status.st_size:,} bytes")
