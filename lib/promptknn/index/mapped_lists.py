"""FastScan's inverted lists in a file that all workers of a host map.

FAISS maps what other indexes hold, but copies FastScan's lists into each process that reads them.
"""

import ctypes
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

_Sizes = npt.NDArray[np.int64]

# For each list its codes, in whole blocks, and its numbers; and how long each list is.
LISTS, SIZES = "lists.bin", "lists.npy"
_NUMBER = np.dtype(np.int64)
# FAISS's OnDiskOneList: size, capacity and offset of a list.
_FIELDS = 3


def write_lists(index: faiss.Index, folder: Path) -> None:
    """Write the lists of a FastScan index into files, and empty it of them.

    Another index stays as it is, and no file is written.

    Args:
        index: what was filled.
        folder: where the files go.

    Raises:
        OSError: there is no room.
    """
    base = _fast_scan(index)
    if base is None:
        return
    lists, code_size = base.invlists, _code_size(base)
    assert lists is not None
    sizes = np.array([lists.list_size(number) for number in range(base.nlist)], dtype=_NUMBER)
    rooms = _in_blocks(sizes, base.bbs)
    with (folder / LISTS).open("wb") as file:
        for number in np.flatnonzero(sizes).tolist():
            size, room = int(sizes[number]), int(rooms[number])
            faiss.rev_swig_ptr(lists.get_codes(number), room * code_size).tofile(file)
            numbers = np.full(room, -1, dtype=_NUMBER)
            numbers[:size] = faiss.rev_swig_ptr(lists.get_ids(number), size)
            numbers.tofile(file)
    np.save(folder / SIZES, sizes)
    base.reset()


class MappedLists:
    """The lists of an open index, in a file; they live as long as this object."""

    def __init__(self, index: faiss.Index, folder: Path) -> None:
        """Give an index the lists that `write_lists` wrote.

        Args:
            index: read from the same folder; used no longer than this object.
            folder: has the files, unless the index keeps its own lists.

        Raises:
            OSError: a file is missing.
            ValueError: the files do not belong to the index.
        """
        base = _fast_scan(index)
        if base is None or base.ntotal == index.ntotal:
            return
        sizes, code_size = np.load(folder / SIZES, allow_pickle=False), _code_size(base)
        rooms, file = _in_blocks(sizes, base.bbs), folder / LISTS
        lengths = rooms * (code_size + _NUMBER.itemsize)
        ends = np.cumsum(lengths)
        if len(sizes) != base.nlist or sizes.sum() != index.ntotal:
            raise ValueError(f"{SIZES} is of another index")
        if file.stat().st_size != ends[-1]:
            raise ValueError(f"{LISTS} holds {file.stat().st_size:,} bytes, not {ends[-1]:,}")
        self._bytes = np.memmap(file, dtype=np.uint8, mode="r")
        self._lists = lists = faiss.OnDiskInvertedLists()
        lists.nlist, lists.code_size = base.nlist, code_size
        lists.totsize, lists.read_only, lists.prefetch_nthread = int(ends[-1]), True, 0
        # FAISS's stub takes this vector of C++ for a list.
        entries: Any = lists.lists
        entries.resize(base.nlist)
        table = (ctypes.c_size_t * (_FIELDS * base.nlist)).from_address(int(entries.data().this))
        fields = np.ctypeslib.as_array(table).reshape(base.nlist, _FIELDS)
        fields[:] = np.stack([sizes, rooms, ends - lengths], axis=1)
        lists.ptr = faiss.swig_ptr(self._bytes)
        base.replace_invlists(lists, False)
        base.ntotal = index.ntotal

    def __del__(self) -> None:
        if hasattr(self, "_lists"):
            # FAISS would unmap what numpy has mapped.
            self._lists.ptr = None


def _fast_scan(index: faiss.Index) -> "faiss.IndexIVFPQFastScan | None":
    if not isinstance(index, faiss.IndexRefine):
        return None
    base = faiss.downcast_index(index.base_index)
    return base if isinstance(base, faiss.IndexIVFPQFastScan) else None


def _code_size(base: "faiss.IndexIVFPQFastScan") -> int:
    """Give the bytes of a vector's code in a block: two numbers of 4 bits a byte."""
    return int(base.M2) // 2


def _in_blocks(sizes: _Sizes, block: int) -> _Sizes:
    rooms: _Sizes = -(-sizes // block) * block
    return rooms
