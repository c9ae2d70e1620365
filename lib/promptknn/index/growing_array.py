"""A .npy file of half-precision rows whose number is known only at the end.

Its header is written again then: such a file needs a disk that takes this.
"""

from pathlib import Path

import numpy as np

from promptknn.encoders.encoder import Vectors


class GrowingArray:
    """Appends rows to a .npy file; memory holds one batch."""

    def __init__(self, path: Path) -> None:
        """Create the file."""
        self._file = path.open("wb+")
        self._rows, self._dim = 0, 0

    def append(self, rows: Vectors) -> None:
        """Append float32 rows, (n, d), as float16."""
        if self._file.tell() == 0:
            self._dim = rows.shape[1]
            self._write_header()
        self._file.write(np.ascontiguousarray(rows, dtype=np.float16).tobytes())
        self._rows += len(rows)

    def finish(self) -> None:
        """Write the number of rows into the header, which numpy pads for that."""
        self._file.seek(0)
        self._write_header()
        self.close()

    def close(self) -> None:
        """Close the file as it is."""
        self._file.close()

    def _write_header(self) -> None:
        shape = (self._rows, self._dim)
        header = {"descr": "<f2", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)
