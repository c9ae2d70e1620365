"""Writing a shard: batch by batch on the host's own disk, then to its place, whole.

The files are begun together and finished together, one of them from its head: storage that all
hosts see may take neither.
"""

import hashlib
import shutil
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from uuid import uuid4

import faiss
import pyarrow as pa

from promptknn.encoders.encoder import Vectors
from promptknn.index.faiss_file import write_index
from promptknn.index.fine_scalars import add_keys
from promptknn.index.growing_array import GrowingArray
from promptknn.index.mapped_lists import write_lists
from promptknn.index.shard import (
    MAPPED,
    PROMPTS,
    PROMPTS_SCHEMA,
    RESCORING,
    SENTENCE,
    VECTORS,
)
from promptknn.local_folder import local_folder
from promptknn.locations import default_cache
from promptknn.sequential_files import copy_files

UNFINISHED = "."


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

    def __init__(
        self,
        place: Path,
        empty_index: faiss.Index,
        with_mapped: bool = False,
        with_rescoring: bool = False,
        cache: Path | None = None,
    ) -> None:
        """Start a shard.

        Args:
            place: the folder the shard will be.
            empty_index: a trained index without vectors, which this shard fills.
            with_mapped: whether mapped CLIP text embeddings will be added too.
            with_rescoring: whether a second CLIP model's text embeddings will be added too.
            cache: of this host, on whose disk the shard is written; None: its default.
        """
        self._place = place
        self._copy = place.with_name(f"{UNFINISHED}{place.name}-{uuid4().hex}")
        self._stack = ExitStack()
        self._folder = self._stack.enter_context(local_folder(cache or Path(default_cache())))
        self._index = empty_index
        self._prompts = pa.ipc.new_file(str(self._folder / PROMPTS), PROMPTS_SCHEMA)
        self._sentence = GrowingArray(self._folder / SENTENCE)
        self._mapped = GrowingArray(self._folder / MAPPED) if with_mapped else None
        self._rescoring = GrowingArray(self._folder / RESCORING) if with_rescoring else None
        self._rows = 0

    def add(
        self,
        ids: pa.Array,
        texts: pa.Array,
        keys: Vectors,
        sentence: Vectors,
        mapped: Vectors | None = None,
        rescoring: Vectors | None = None,
    ) -> None:
        """Add prompts.

        Args:
            ids: their prompt_ids, in order.
            texts: their texts.
            keys: float32, (n, d), unit rows.
            sentence: float32, (n, d'), stored as fp16.
            mapped: float32, (n, d'), stored as fp16, for a writer made `with_mapped`.
            rescoring: float32, (n, d''), unit rows, stored as fp16, for a writer made
                `with_rescoring`.
        """
        add_keys(self._index, keys)
        self._prompts.write_batch(pa.RecordBatch.from_arrays([ids, texts], schema=PROMPTS_SCHEMA))
        self._sentence.append(sentence)
        if self._mapped is not None and mapped is not None:
            self._mapped.append(mapped)
        if self._rescoring is not None and rescoring is not None:
            self._rescoring.append(rescoring)
        self._rows += len(ids)

    def finish(self) -> WrittenShard:
        """Complete the files and move the folder to its place."""
        write_lists(self._index, self._folder)
        write_index(self._index, self._folder / VECTORS)
        self._prompts.close()
        for array in self._arrays():
            array.finish()
        files = copy_files(self._folder, self._copy)
        size = sum((self._folder / name).stat().st_size for name in files)
        if self._place.exists():
            shutil.rmtree(self._place)
        self._copy.rename(self._place)
        return WrittenShard(self._rows, size, files)

    def _arrays(self) -> list[GrowingArray]:
        arrays = (self._sentence, self._mapped, self._rescoring)
        return [array for array in arrays if array is not None]

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for array in self._arrays():
            # On a full disk closing fails too.
            with suppress(OSError):
                array.close()
        self._stack.close()
        shutil.rmtree(self._copy, ignore_errors=True)


def sha256(file: Path) -> str:
    """Hash a file's content."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
