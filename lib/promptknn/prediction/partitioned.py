"""Search of an index bigger than a host: groups of shards answer apart, and are merged exactly.

Each group gives each image's k nearest of its own; the k nearest of those are the k nearest of
all. Only then are texts and vectors read, k an image, by the groups that hold them. A row is an
image in a group, whatever k; vectors travel as the shards store them.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.arrow_runs import pieces_of, runs_of
from promptknn.arrow_vectors import from_arrow, to_half_arrow
from promptknn.encoders.encoder import Vectors
from promptknn.encoders.models import Models
from promptknn.index.distribution import IndexHandle
from promptknn.index.neighbours import Neighbours
from promptknn.index.prompt_reading import FoundPrompts
from promptknn.index.shard import Ordinals
from promptknn.prediction.gathered import gathered
from promptknn.prediction.predicted import ANSWER_SCHEMA, answer
from promptknn.settings import PredictionSettings

Groups = tuple[tuple[int, ...], ...]
# Of a list of nearest prompts, what each group holds.
_IN_GROUPS = (
    "transform(array_distinct(nearest.group), number -> struct(number AS group, "
    "filter(nearest, near -> near.group = number) AS nearest))"
)
_Stream = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]

_IMAGES_A_SEARCH = 256
_IMAGES_A_TASK = 4_096
# Of the merges: what was found for an image, vectors included, takes up to 400 kB, and a batch
# that Spark hands to Python may hold all rows of a task.
_IMAGES_A_MERGE = 512
# Spark sorts structs by their first field first: nearest first, ties in the order of prompt_id.
_PLACE = "distance: float, prompt_id: string"
_FOUND = (
    f"image_id string, nearest array<struct<{_PLACE}, group: int, shard: bigint, ordinal: bigint>>"
)


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
    chosen = _merged(found, merges).select(
        "image_id", F.slice("nearest", 1, settings.k).alias("nearest")
    )
    in_groups = chosen.select("image_id", F.explode(F.expr(_IN_GROUPS)).alias("part"))
    wanted = in_groups.select("image_id", "part.group", "part.nearest")
    vectors = ["sentence"]
    vectors += ["mapped"] if settings.combination.space == "clip_mapped" else []
    vectors += ["rescoring"] if settings.combination.rescoring else []
    fields = ", ".join([_PLACE, "text: string", *(f"{name}: binary" for name in vectors)])
    read = _by_group(wanted, tasks, len(groups)).mapInArrow(
        _read(handle, groups, vectors), f"image_id string, nearest array<struct<{fields}>>"
    )
    merged = _merged(read, merges)
    both = images.repartition(merges, "image_id").join(merged, "image_id")
    return both.mapInArrow(_answers(handle, settings, models), ANSWER_SCHEMA)


def _merged(parts: DataFrame, merges: int) -> DataFrame:
    """Bring the lists of an image together, nearest first: image_id, nearest."""
    nearest = F.sort_array(F.flatten(F.collect_list("nearest"))).alias("nearest")
    return parts.repartition(merges, "image_id").groupBy("image_id").agg(nearest)


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
                filled = found.filled
                nearest = {
                    "distance": pa.array(-found.similarities[filled]),
                    "prompt_id": pa.array(found.prompt_ids[filled], pa.string()),
                    "group": pa.array(np.full(filled.sum(), number, np.int32)),
                    "shard": pa.array(found.shards[filled]),
                    "ordinal": pa.array(found.ordinals[filled]),
                }
                ends = np.cumsum(filled.sum(axis=1))
                yield _lists(some.column("image_id"), ends, nearest)

    return search


def _read(handle: IndexHandle, groups: Groups, vectors: list[str]) -> _Stream:
    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number, batch in runs_of(batches, "group"):
            prompts = handle.part(groups[number]).open()
            for some in pieces_of([batch], _IMAGES_A_SEARCH):
                asked = some.column("nearest")
                places = asked.flatten()
                found = Neighbours(
                    *(
                        places.field(name).to_numpy(zero_copy_only=False)[:, None]
                        for name in ("distance", "prompt_id", "shard", "ordinal")
                    )
                )
                nearest = {name: places.field(name) for name in ("distance", "prompt_id")}
                nearest["text"] = pa.array(prompts.texts(found, 1)[:, 0], pa.string())
                for name in vectors:
                    nearest[name] = to_half_arrow(_vectors_of(prompts, found, name)[:, 0])
                ends = np.cumsum(np.asarray(asked.value_lengths()))
                yield _lists(some.column("image_id"), ends, nearest)

    return read


def _lists(image_ids: pa.Array, ends: Ordinals, fields: dict[str, pa.Array]) -> pa.RecordBatch:
    """Make image_id and nearest of the fields of all images' prompts, one after the other."""
    structs = pa.StructArray.from_arrays(list(fields.values()), list(fields))
    offsets = pa.array(np.concatenate([[0], ends]), pa.int32())
    lists = pa.ListArray.from_arrays(offsets, structs)
    return pa.RecordBatch.from_arrays([image_ids, lists], ["image_id", "nearest"])


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
