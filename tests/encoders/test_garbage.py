import gc
import weakref
from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import SparkSession

from promptknn.encoders.garbage import spare_what_is_loaded
from promptknn.encoders.models import Models
from promptknn.settings import Settings

MODELS = Models.of(Settings())


class Cycle:
    """Refers to itself: it is collected, never freed."""

    def __init__(self) -> None:
        self.self = self


def test_outside_a_task_nothing_is_spared() -> None:
    before = gc.get_freeze_count()
    spare_what_is_loaded()
    assert gc.get_freeze_count() == before


def test_a_worker_spares_what_its_model_loaded(spark: SparkSession) -> None:
    def load(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        list(batches)
        MODELS.sentence_encoder().encode_texts(["a cat"])
        figures = {"spared": [gc.get_freeze_count()], "others": [len(gc.get_objects())]}
        yield pa.RecordBatch.from_pydict(figures)

    (row,) = spark.range(1).mapInArrow(load, "spared long, others long").collect()
    assert row.spared > 100_000 > row.others


def test_garbage_is_found_where_it_came_later_and_once_something_else_is_loaded(
    spark: SparkSession,
) -> None:
    def leave_garbage(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        list(batches)
        spared = Cycle()
        spare_what_is_loaded()
        later = Cycle()
        left = [weakref.ref(spared), weakref.ref(later)]
        del spared, later
        gc.collect()
        alive = [reference() is not None for reference in left]
        spare_what_is_loaded()
        alive.append(left[0]() is not None)
        yield pa.RecordBatch.from_pydict({"alive": [alive]})

    (row,) = spark.range(1).mapInArrow(leave_garbage, "alive array<boolean>").collect()
    assert row.alive == [True, False, False]
