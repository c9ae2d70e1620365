"""Which files of an index version are missing or altered; tasks read them, side by side."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
from pyspark.sql import Row

from promptknn.index.active import shards_of
from promptknn.index.shard_writer import sha256
from promptknn.index.version import QUERY_MAP_FOLDER, index_location
from promptknn.lake import Lake
from promptknn.settings import Settings


def damaged_folders(lake: Lake, settings: Settings, version: Row) -> set[str]:
    """Find the folders of a version with a file that is not as it was written.

    Args:
        lake: has the version.
        settings: where the index lies.
        version: its row in index_versions.

    Returns:
        Paths below the index location, of shards and of the folder that they share.
    """
    folders = {shared_folder(version.index_version): version.files}
    folders.update({shard.path: shard.files for shard in shards_of(lake, version.index_version)})
    rows = [
        (folder, name, expected)
        for folder, files in folders.items()
        for name, expected in files.items()
    ]
    frame = lake.spark.createDataFrame(rows, "folder string, name string, expected string")
    look = _damaged(index_location(settings))
    found = frame.repartition(len(rows)).mapInArrow(look, "folder string").distinct().collect()
    return {row.folder for row in found}


def shared_folder(version: str) -> str:
    """Give the folder of what all shards of a version share, below the index location."""
    return f"{version}/{QUERY_MAP_FOLDER}"


def _damaged(root: Path) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            damaged = [
                folder
                for folder, name, expected in zip(*map(pa.Array.to_pylist, batch), strict=True)
                if not (file := root / folder / name).is_file() or sha256(file) != expected
            ]
            yield pa.RecordBatch.from_pydict({"folder": pa.array(damaged, pa.string())})

    return look
