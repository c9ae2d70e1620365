"""Writing shards inside Spark's workers, from prompts sorted by shard and prompt_id."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from promptknn.arrow_vectors import from_arrow
from promptknn.index.query_map import QueryMap
from promptknn.index.ridge import Ridge
from promptknn.index.shard_writer import ShardWriter

RESCORING_COLUMN = "rescoring_embedding"
SCHEMA = "shard_id int, prompts bigint, path string, bytes bigint, files map<string, string>"


def write_shards(
    query_map: QueryMap,
    text_map: Ridge | None,
    template: npt.NDArray[np.uint8],
    root: Path,
    version: str,
    with_rescoring: bool = False,
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that writes sorted prompts into shards inside Spark's workers.

    Args:
        query_map: takes CLIP text embeddings to keys.
        text_map: takes CLIP text embeddings into the sentence space; None where CLIP's text tower
            is the sentence model.
        template: a trained empty index, serialised.
        root: the index location.
        version: names the folder of the shards.
        with_rescoring: whether the prompts have the column RESCORING_COLUMN.
    """

    def one(shard_id: int, parts: Iterator[pa.RecordBatch]) -> pa.RecordBatch:
        path = f"{version}/shard-{shard_id:05d}"
        empty = faiss.deserialize_index(template)
        with ShardWriter(root / path, empty, text_map is not None, with_rescoring) as writer:
            for part in parts:
                clip = from_arrow(part.column("clip_embedding"))
                sentence = from_arrow(part.column("sentence_embedding"))
                mapped = text_map(clip) if text_map else None
                ids, texts = part.column("prompt_id"), part.column("text")
                second = from_arrow(part.column(RESCORING_COLUMN)) if with_rescoring else None
                writer.add(ids, texts, query_map.keys(clip), sentence, mapped, second)
            shard = writer.finish()
        return pa.RecordBatch.from_pydict({
            "shard_id": pa.array([shard_id], pa.int32()),
            "prompts": pa.array([shard.prompts], pa.int64()),
            "path": [path],
            "bytes": pa.array([shard.bytes], pa.int64()),
            "files": pa.array([list(shard.files.items())], pa.map_(pa.string(), pa.string())),
        })  # fmt: skip

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for shard_id, parts in runs(batches):
            yield one(shard_id, parts)

    return write


def runs(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, Iterator[pa.RecordBatch]]]:
    """Group batches sorted by shard_id into one stream of batches a shard."""
    pieces = _pieces(batches)
    first = next(pieces, None)
    waiting: list[tuple[int, pa.RecordBatch]] = [first] if first else []

    def of_shard(shard_id: int) -> Iterator[pa.RecordBatch]:
        while waiting and waiting[0][0] == shard_id:
            yield waiting.pop()[1]
            following = next(pieces, None)
            if following:
                waiting.append(following)

    while waiting:
        yield waiting[0][0], of_shard(waiting[0][0])


def _pieces(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    for batch in batches:
        numbers = np.asarray(batch.column("shard_id"))
        edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
        for start, stop in pairwise(edges):
            if stop > start:
                yield int(numbers[start]), batch.slice(start, stop - start)
