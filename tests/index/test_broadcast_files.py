from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from promptknn.index.broadcast_files import broadcast_files, write_pieces


@pytest.mark.parametrize("size", [0, 9, 10, 25])
def test_workers_write_the_file_that_was_sent_and_keep_no_piece(
    spark: SparkSession, tmp_path: Path, size: int
) -> None:
    whole = bytes(range(size))
    (tmp_path / "sent").write_bytes(whole)
    pieces = broadcast_files(spark, tmp_path, ["sent"], piece_bytes=10)["sent"]
    assert len(pieces) == -(-size // 10)

    def write(batches):  # type: ignore[no-untyped-def]
        for _ in batches:
            # Twice: a cleaner may take the first copy.
            for name in ("first", "second"):
                write_pieces(pieces, tmp_path / name)
            kept = sum("_value" in vars(piece) for piece in pieces)
            yield pa.RecordBatch.from_pydict({"kept": pa.array([kept], pa.int32())})

    (row,) = spark.range(1).mapInArrow(write, "kept int").collect()
    assert row.kept == 0
    assert [(tmp_path / name).read_bytes() for name in ("first", "second")] == [whole, whole]
