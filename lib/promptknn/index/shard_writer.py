"""Writing a shard: batch by batch into a folder beside its place, then moved there whole."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from uuid import uuid4

import faiss
import numpy as np
import pyarrow as pa

from promptknn.encoders.encoder import Vectors
from promptknn.index.shard import PROMPTS, PROMPTS_SCHEMA, SENTENCE, VECTORS


@dataclass(frozen=True)
class WrittenShard:
    """What index_shards says of a shard."""

    prompts: int
    bytes: int
    files: dict[str, str]


class ShardWriter:
    """Writes one shard; nothing is seen of it until `finish`.

    Use it in a `with` statement: a shard that is not finished leaves no file behind.
    """

    def __init__(self, place: Path, empty_index: faiss.Index) -> None:
        """Start a shard.

        Args:
            place: the folder the shard will be.
            empty_index: a trained index without vectors, which this shard fills.
        """
        self._place = place
        self._folder = place.with_name(f".{place.name}-{uuid4().hex}")
        self._folder.mkdir(parents=True)
        self._index = empty_index
        self._prompts = pa.ipc.new_file(str(self._folder / PROMPTS), PROMPTS_SCHEMA)
        self._sentence = (self._folder / SENTENCE).open("wb+")
        self._rows = 0

    def add(self, ids: pa.Array, texts: pa.Array, keys: Vectors, sentence: Vectors) -> None:
        """Add prompts.

        Args:
            ids: their prompt_ids, in order.
            texts: their texts.
            keys: float32, (n, d), unit rows.
            sentence: float32, (n, d'), stored as fp16.
        """
        if self._rows == 0:
            self._write_header(0, sentence.shape[1])
        self._index.add(keys)
        self._prompts.write_batch(pa.RecordBatch.from_arrays([ids, texts], schema=PROMPTS_SCHEMA))
        self._sentence.write(np.ascontiguousarray(sentence, dtype=np.float16).tobytes())
        self._rows += len(ids)
        self._sentence_dim = sentence.shape[1]

    def finish(self) -> WrittenShard:
        """Complete the files and move the folder to its place."""
        faiss.write_index(self._index, str(self._folder / VECTORS))
        self._prompts.close()
        # numpy pads the header so that the number of rows can grow in place.
        self._sentence.seek(0)
        self._write_header(self._rows, self._sentence_dim)
        self._sentence.close()
        files = {name: sha256(self._folder / name) for name in (VECTORS, PROMPTS, SENTENCE)}
        size = sum((self._folder / name).stat().st_size for name in files)
        if self._place.exists():
            shutil.rmtree(self._place)
        self._folder.rename(self._place)
        return WrittenShard(self._rows, size, files)

    def _write_header(self, rows: int, dim: int) -> None:
        header = {"descr": "<f2", "fortran_order": False, "shape": (rows, dim)}
        np.lib.format.write_array_header_1_0(self._sentence, header)

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sentence.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def sha256(file: Path) -> str:
    """Hash a file's content."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
