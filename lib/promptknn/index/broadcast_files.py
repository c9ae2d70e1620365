"""Files as broadcast variables, one a piece: no process ever holds the whole of a large file."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark import Broadcast
    from pyspark.sql import SparkSession

    Piece = Broadcast[bytes]

# What passes through the driver's heap at once, whatever the index takes.
_PIECE_BYTES = 16 * 2**20


def broadcast_files(
    spark: "SparkSession", folder: Path, names: Iterable[str], piece_bytes: int = _PIECE_BYTES
) -> Mapping[str, Sequence["Piece"]]:
    """Send files of a folder to the executors, in the pieces that `write_pieces` takes."""
    return {name: _broadcast(spark, folder / name, piece_bytes) for name in names}


def _broadcast(spark: "SparkSession", path: Path, piece_bytes: int) -> Sequence["Piece"]:
    with path.open("rb") as file:
        pieces = iter(lambda: file.read(piece_bytes), b"")
        return tuple(spark.sparkContext.broadcast(piece) for piece in pieces)


def write_pieces(pieces: Iterable["Piece"], path: Path) -> None:
    """Write a file from its pieces, inside a worker."""
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece.value)
            # A worker would keep what it has unpickled for as long as it lives. Where Spark
            # encrypts, the value came with the task and cannot be read again.
            if getattr(piece, "_path", None):
                vars(piece).pop("_value", None)
