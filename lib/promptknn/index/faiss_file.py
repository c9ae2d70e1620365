"""Writing FAISS indexes into files."""

from pathlib import Path

import faiss


def write_index(index: faiss.Index, path: Path) -> None:
    """Write an index, from its first byte to its last.

    Raises:
        OSError: there is no room; FAISS itself only prints that the last bytes found none.
    """
    with path.open("wb") as file:
        writer = faiss.PyCallbackIOWriter(file.write)  # type: ignore[attr-defined]
        faiss.write_index(index, writer)
