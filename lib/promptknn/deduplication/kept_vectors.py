"""Vectors of kept prompts, as files that Spark's tasks map and search side by side.

They lie in a scratch folder beside the index, which every host sees as it sees the shards. No file
there is written twice: a host may go on reading what its cache has of the first. A part of what is
added holds whole lists, so that a task reads those queries alone which look into them.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promptknn.arrow_vectors import from_arrow
from promptknn.deduplication.pairs import Block, Keys, Positions, Similarities, pairs_above
from promptknn.deduplication.pruning import Search

Texts = npt.NDArray[np.object_]

_VECTORS, _LISTS, _IDS = "vectors.npy", "lists.npy", "prompt_ids.npy"
# What one task searches: small enough for many tasks, large enough to be worth starting one.
_ROWS_A_PART = 25_000
# What a task holds of a frame before it writes parts: more would make denser lists of them.
_ROWS_HELD = 50_000
_FOUND = "row int, similarity double, prompt_id string"


class KeptVectors:
    """Kept prompts' vectors in a folder, in parts of at most 25,000.

    Attributes:
        search: tells in which lists vectors lie.
    """

    def __init__(self, spark: SparkSession, folder: Path, search: Search) -> None:
        """Open an empty collection.

        Args:
            spark: the session whose tasks search.
            folder: made when the first part is written.
            search: tells in which lists vectors lie.
        """
        self._spark, self._folder, self.search = spark, folder, search
        self._parts: list[str] = []

    def add(self, prompt_ids: Texts, block: Block, rows: Positions) -> None:
        """Add some rows of a block, int64 (m,), and their prompt_ids (m,)."""
        self._parts.extend(_write_parts(self._folder, prompt_ids, block, rows))

    def add_frame(self, frame: DataFrame) -> None:
        """Add a frame of prompt_id and sentence_embedding; the tasks that read it write it."""
        folder, search = self._folder, self.search

        def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            held: list[pa.RecordBatch] = []
            for batch in batches:
                held.append(batch)
                if sum(each.num_rows for each in held) >= _ROWS_HELD:
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
        with _written(self._folder, block) as name:
            found = (
                parts.repartition(len(self._parts))
                .mapInArrow(_search_parts(self._folder, name, threshold), _FOUND)
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
        np.save(folder / name / _LISTS, block.lists)
        yield name
    finally:
        shutil.rmtree(folder / name, ignore_errors=True)


def _write_parts(folder: Path, prompt_ids: Texts, block: Block, rows: Positions) -> Iterator[str]:
    """Write rows of a block list by list, and give the names of the parts."""
    order = np.argsort(block.lists[rows, 0], kind="stable")
    for start in range(0, len(order), _ROWS_A_PART):
        part = order[start : start + _ROWS_A_PART]
        name = uuid4().hex
        (folder / name).mkdir(parents=True)
        np.save(folder / name / _VECTORS, block.vectors[rows[part]])
        np.save(folder / name / _LISTS, block.lists[rows[part], 0])
        np.save(folder / name / _IDS, prompt_ids[part].astype("U"))
        yield name


def _write_batches(folder: Path, search: Search, held: list[pa.RecordBatch]) -> pa.RecordBatch:
    table = pa.Table.from_batches(held)
    prompt_ids = table.column("prompt_id").to_numpy()
    block = search.block(from_arrow(table.column("sentence_embedding")))
    names = _write_parts(folder, prompt_ids, block, np.arange(len(block)))
    return pa.RecordBatch.from_pydict({"part": list(names)})


def _search_parts(
    folder: Path, block: str, threshold: float
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that searches parts for the block of this name; both lie in the folder."""

    def search(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        queries = Block(_mapped(folder / block / _VECTORS), _mapped(folder / block / _LISTS))
        every = np.arange(len(queries))
        for batch in batches:
            for part in batch.column("part").to_pylist():
                own = _mapped(folder / part / _LISTS)
                keys = Keys.of(_mapped(folder / part / _VECTORS), own, np.arange(len(own)))
                best = pairs_above(queries, every, keys, threshold).best()
                prompt_ids = np.load(folder / part / _IDS)
                yield pa.RecordBatch.from_pydict({
                    "row": pa.array(best.rows, pa.int32()),
                    "similarity": pa.array(best.similarities),
                    "prompt_id": pa.array(prompt_ids[best.keys].tolist(), pa.string()),
                })  # fmt: skip

    return search


def _mapped(file: Path) -> npt.NDArray[Any]:
    return np.asarray(np.load(file, mmap_mode="r"))
