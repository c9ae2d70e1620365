"""Writing shards inside Spark's workers, from prompts sorted by shard and prompt_id."""

from collections.abc import Callable, Iterator
from pathlib import Path

import faiss
import pyarrow as pa

from promptknn.arrow_runs import runs_of
from promptknn.arrow_vectors import from_arrow
from promptknn.encoders.encoder import check_stored
from promptknn.index.fitted import Fitted
from promptknn.index.shard_writer import ShardWriter

RESCORING_COLUMN = "rescoring_embedding"
SCHEMA = "shard_id int, prompts bigint, path string, bytes bigint, files map<string, string>"


def write_shards(
    fitted: Fitted, folder: Path, with_rescoring: bool = False, cache: Path | None = None
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that writes sorted prompts into shards inside Spark's workers.

    Args:
        fitted: what all shards share.
        folder: of the index version, under the index location.
        with_rescoring: whether the prompts have the column RESCORING_COLUMN.
        cache: of each host, on whose disk a shard is written before it is copied into the folder.
    """
    query_map, text_map = fitted.query_map, fitted.text_map
    template = faiss.serialize_index(fitted.template)

    def one(shard_id: int, parts: Iterator[pa.RecordBatch]) -> pa.RecordBatch:
        name = f"shard-{shard_id:05d}"
        empty = faiss.deserialize_index(template)
        wanted = text_map is not None, with_rescoring
        with ShardWriter(folder / name, empty, *wanted, cache) as writer:
            for part in parts:
                clip = from_arrow(part.column("clip_embedding"))
                sentence = from_arrow(part.column("sentence_embedding"))
                ids, texts = part.column("prompt_id"), part.column("text")
                check_stored(clip, ids, "clip_embedding")
                check_stored(sentence, ids, "sentence_embedding")
                mapped = text_map(clip) if text_map else None
                second = from_arrow(part.column(RESCORING_COLUMN)) if with_rescoring else None
                writer.add(ids, texts, query_map.keys(clip), sentence, mapped, second)
            shard = writer.finish()
        return pa.RecordBatch.from_pydict({
            "shard_id": pa.array([shard_id], pa.int32()),
            "prompts": pa.array([shard.prompts], pa.int64()),
            "path": [f"{folder.name}/{name}"],
            "bytes": pa.array([shard.bytes], pa.int64()),
            "files": pa.array([list(shard.files.items())], pa.map_(pa.string(), pa.string())),
        })  # fmt: skip

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for shard_id, parts in runs(batches):
            yield one(shard_id, parts)

    return write


def runs(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, Iterator[pa.RecordBatch]]]:
    """Group batches sorted by shard_id into one stream of batches a shard."""
    pieces = runs_of(batches, "shard_id")
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
