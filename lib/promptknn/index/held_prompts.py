"""Which prompts lie in which shards, read from the shards' own files."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from promptknn.index.shard import PROMPTS

_SCHEMA = "shard_id int, prompt_id string"


def held_prompts(spark: SparkSession, paths: Mapping[int, str], root: Path) -> DataFrame:
    """Read the ids that shards hold: shard_id, prompt_id.

    Args:
        spark: the session whose tasks read.
        paths: number and path of each shard, one at least.
        root: the index location, below which the paths lie.
    """
    places = spark.createDataFrame(list(paths.items()), "shard_id int, path string")
    return places.repartition(len(paths)).mapInArrow(_read_ids(root), _SCHEMA)


def _read_ids(root: Path) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for shard_id, path in zip(*(column.to_pylist() for column in batch), strict=True):
                with pa.memory_map(str(root / path / PROMPTS)) as file:
                    stored = pa.ipc.open_file(file)
                    for number in range(stored.num_record_batches):
                        ids = stored.get_batch(number).column("prompt_id")
                        numbers = pa.array([shard_id] * len(ids), pa.int32())
                        yield pa.RecordBatch.from_pydict({"shard_id": numbers, "prompt_id": ids})

    return read
