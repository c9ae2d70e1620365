"""Vectors of kept prompts, as FAISS files that Spark's tasks map and search side by side.

They lie in a scratch folder beside the index, which every host sees as it sees the shards. No file
there is written twice: a host may go on reading what its cache has of the first.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import faiss
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promptknn.arrow_vectors import from_arrow
from promptknn.deduplication.near import Block, Similarities, pairs_above
from promptknn.deduplication.pruning import Search, able_to_reconstruct
from promptknn.encoders.device import task_cores
from promptknn.index.faiss_file import write_index

Texts = npt.NDArray[np.object_]

_INDEX, _IDS = "vectors.faiss", "prompt_ids.npy"
# Of a block.
_VECTORS, _LISTS, _NEAR = "vectors.npy", "lists.npy", "near.npy"
# What one task searches: small enough for many tasks, large enough to be worth starting one.
_ROWS_A_PART = 25_000
_FOUND = "row int, similarity double, prompt_id string"


class KeptVectors:
    """Kept prompts' vectors in a folder, in parts of at most 25,000.

    Attributes:
        search: makes the index of a part.
    """

    def __init__(self, spark: SparkSession, folder: Path, search: Search) -> None:
        """Open an empty collection.

        Args:
            spark: the session whose tasks search.
            folder: made when the first part is written.
            search: makes the index of a part.
        """
        self._spark, self._folder, self.search = spark, folder, search
        self._parts: list[str] = []

    def add(self, prompt_ids: Texts, block: Block) -> None:
        """Add vectors and their prompt_ids."""
        for start in range(0, len(block), _ROWS_A_PART):
            part = slice(start, start + _ROWS_A_PART)
            name = _write(self._folder, self.search, prompt_ids[part], block.rows(part))
            self._parts.append(name)

    def add_frame(self, frame: DataFrame) -> None:
        """Add a frame of prompt_id and sentence_embedding; the tasks that read it write it."""
        folder, search = self._folder, self.search

        def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            held: list[pa.RecordBatch] = []
            for batch in batches:
                held.append(batch)
                if sum(each.num_rows for each in held) >= _ROWS_A_PART:
                    yield _write_batches(folder, search, held)
                    held = []
            if sum(each.num_rows for each in held):
                yield _write_batches(folder, search, held)

        written = frame.select("prompt_id", "sentence_embedding").mapInArrow(write, "part string")
        self._parts.extend(written.toArrow().column("part").to_pylist())

    def closest(self, block: Block, threshold: float) -> tuple[Similarities, Texts]:
        """Find the most similar kept prompt of each vector, where one is above the threshold.

        Args:
            block: n vectors.
            threshold: cosine.

        Returns:
            float64 (n,), -inf where there is none; prompt_ids (n,), None where there is none.
        """
        similarities = np.full(len(block), -np.inf)
        prompt_ids: Texts = np.full(len(block), None, dtype=np.object_)
        if not self._parts:
            return similarities, prompt_ids
        parts = self._spark.createDataFrame(pa.table({"part": self._parts}))
        best = F.min(F.struct((-F.col("similarity")).alias("distance"), "prompt_id"))
        pruned = self.search.lists > 0
        with _written(self._folder, block) as name:
            found = (
                parts.repartition(len(self._parts))
                .mapInArrow(_search_parts(self._folder, name, pruned, threshold), _FOUND)
                .groupBy("row")
                .agg(best.alias("best"))
                .select("row", -F.col("best.distance"), "best.prompt_id")
                .toArrow()
            )
        rows = found.column(0).to_numpy()
        similarities[rows] = found.column(1).to_numpy()
        prompt_ids[rows] = found.column(2).to_numpy()
        return similarities, prompt_ids


@contextmanager
def _written(folder: Path, block: Block) -> Iterator[str]:
    """Write a block into a folder of its own, for as long as it is searched; give its name."""
    name = f"block-{uuid4().hex}"
    (folder / name).mkdir(parents=True)
    try:
        np.save(folder / name / _VECTORS, block.vectors)
        if block.lists is not None and block.near is not None:
            np.save(folder / name / _LISTS, block.lists)
            np.save(folder / name / _NEAR, block.near)
        yield name
    finally:
        shutil.rmtree(folder / name, ignore_errors=True)


def _write(folder: Path, search: Search, prompt_ids: Texts, block: Block) -> str:
    name = uuid4().hex
    (folder / name).mkdir(parents=True)
    index = search.empty_index()
    block.add_to(index)
    write_index(index, folder / name / _INDEX)
    np.save(folder / name / _IDS, prompt_ids.astype("U"))
    return name


def _write_batches(folder: Path, search: Search, held: list[pa.RecordBatch]) -> pa.RecordBatch:
    table = pa.Table.from_batches(held)
    prompt_ids = table.column("prompt_id").to_numpy()
    block = search.block(from_arrow(table.column("sentence_embedding")))
    name = _write(folder, search, prompt_ids, block)
    return pa.RecordBatch.from_pydict({"part": [name]})


def _search_parts(
    folder: Path, block: str, pruned: bool, threshold: float
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that searches parts for the block of this name; both lie in the folder."""

    def search(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        faiss.omp_set_num_threads(task_cores())
        names = (_VECTORS, _LISTS, _NEAR) if pruned else (_VECTORS,)
        queries = Block(*(np.load(folder / block / name, mmap_mode="r") for name in names))
        for batch in batches:
            for part in batch.column("part").to_pylist():
                file = str(folder / part / _INDEX)
                index = able_to_reconstruct(faiss.read_index(file, faiss.IO_FLAG_MMAP_IFC))
                best = pairs_above(index, queries, threshold).best()
                prompt_ids = np.load(folder / part / _IDS)
                yield pa.RecordBatch.from_pydict({
                    "row": pa.array(best.rows, pa.int32()),
                    "similarity": pa.array(best.similarities),
                    "prompt_id": pa.array(prompt_ids[best.keys].tolist(), pa.string()),
                })  # fmt: skip

    return search
