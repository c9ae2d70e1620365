"""Search of an index bigger than a host: groups of shards answer apart, and are merged exactly.

Each group gives each image's k nearest of its own; the k nearest of those are the k nearest of
all. Only then are texts and vectors read, k an image, by the groups that hold them.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.arrow_runs import pieces_of, runs_of
from promptknn.arrow_vectors import from_arrow, to_arrow
from promptknn.encoders.encoder import Vectors
from promptknn.encoders.models import Models
from promptknn.index.distribution import IndexHandle
from promptknn.index.neighbours import Neighbours
from promptknn.index.prompt_reading import FoundPrompts
from promptknn.prediction.gathered import gathered
from promptknn.prediction.predicted import ANSWER_SCHEMA, answer
from promptknn.settings import PredictionSettings

Groups = tuple[tuple[int, ...], ...]
_Stream = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]

_IMAGES_A_SEARCH = 256
_IMAGES_A_TASK = 4_096
# Of the merges: what was found for an image, vectors included, takes up to half a megabyte, and a
# batch that Spark hands to Python may hold all rows of a task.
_IMAGES_A_MERGE = 512
# Spark sorts structs by their first column first: nearest first, ties in the order of prompt_id.
_FOUND = "image_id string, distance float, prompt_id string, group int, shard long, ordinal long"


def search_partitioned(
    images: DataFrame,
    todo: int,
    handle: IndexHandle,
    groups: Groups,
    settings: PredictionSettings,
    models: Models,
) -> DataFrame:
    """Predict for image_id, image_uri, embedding (and rescoring_embedding).

    Args:
        images: every group is asked for each.
        todo: how many images.
        handle: the index.
        groups: numbers of the shards that a worker opens together.
        settings: k, and how neighbours are combined.
        models: of the index.
    """
    tasks, merges = -(-todo // _IMAGES_A_TASK), -(-todo // _IMAGES_A_MERGE)
    numbers = F.array(*(F.lit(number) for number in range(len(groups))))
    asked = images.select("image_id", "embedding", F.explode(numbers).alias("group"))
    found = _by_group(asked, tasks, len(groups)).mapInArrow(
        _search(handle, groups, settings.k), _FOUND
    )
    near = F.struct(*found.columns[1:])
    chosen = (
        found.repartition(merges, "image_id")
        .groupBy("image_id")
        .agg(F.slice(F.sort_array(F.collect_list(near)), 1, settings.k).alias("nearest"))
        .select("image_id", F.explode("nearest").alias("near"))
        .select("image_id", "near.*")
    )
    vectors = ["sentence"]
    vectors += ["mapped"] if settings.combination.space == "clip_mapped" else []
    vectors += ["rescoring"] if settings.combination.rescoring else []
    schema = ", ".join([_FOUND, "text string", *(f"{name} array<float>" for name in vectors)])
    read = _by_group(chosen, tasks, len(groups)).mapInArrow(_read(handle, groups, vectors), schema)
    nearest = F.sort_array(F.collect_list(F.struct(*read.columns[1:]))).alias("nearest")
    merged = read.repartition(merges, "image_id").groupBy("image_id").agg(nearest)
    both = images.repartition(merges, "image_id").join(merged, "image_id")
    return both.mapInArrow(_answers(handle, settings, models), ANSWER_SCHEMA)


def _by_group(rows: DataFrame, tasks: int, groups: int) -> DataFrame:
    """Give each group so many tasks, each of which opens one group after the other."""
    part = F.pmod(F.xxhash64("image_id"), F.lit(tasks))
    return rows.repartition(tasks * groups, "group", part).sortWithinPartitions("group")


def _search(handle: IndexHandle, groups: Groups, k: int) -> _Stream:
    def search(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number, batch in runs_of(batches, "group"):
            index = handle.part(groups[number]).open()
            for some in pieces_of([batch], _IMAGES_A_SEARCH):
                found = index.search(from_arrow(some.column("embedding")), k)
                rows, places = np.nonzero(found.ordinals >= 0)
                yield pa.RecordBatch.from_pydict({
                    "image_id": some.column("image_id").take(pa.array(rows)),
                    "distance": pa.array(-found.similarities[rows, places]),
                    "prompt_id": pa.array(found.prompt_ids[rows, places], pa.string()),
                    "group": pa.array(np.full(len(rows), number, np.int32)),
                    "shard": pa.array(found.shards[rows, places]),
                    "ordinal": pa.array(found.ordinals[rows, places]),
                })  # fmt: skip

    return search


def _read(handle: IndexHandle, groups: Groups, vectors: list[str]) -> _Stream:
    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number, batch in runs_of(batches, "group"):
            prompts = handle.part(groups[number]).open()
            found = Neighbours(
                *(
                    batch.column(name).to_numpy(zero_copy_only=False)[:, None]
                    for name in ("distance", "prompt_id", "shard", "ordinal")
                )
            )
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            columns["text"] = pa.array(prompts.texts(found, 1)[:, 0], pa.string())
            for name in vectors:
                columns[name] = to_arrow(_vectors_of(prompts, found, name)[:, 0])
            yield pa.RecordBatch.from_pydict(columns)

    return read


def _vectors_of(prompts: FoundPrompts, found: Neighbours, name: str) -> Vectors:
    if name == "rescoring":
        return prompts.second_vectors(found)
    return prompts.vectors(found, "clip_mapped" if name == "mapped" else "sentence")


def _answers(handle: IndexHandle, settings: PredictionSettings, models: Models) -> _Stream:
    def answers(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        query_map = handle.open_query_map()
        for some in pieces_of(batches, _IMAGES_A_SEARCH):
            stored, found = gathered(some.column("nearest"))
            yield answer(FoundPrompts([stored], query_map), found, some, settings, models)

    return answers
