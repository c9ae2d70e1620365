"""A random sample of prompts' vectors: those of the smallest ids, for ids are hashes."""

import pyarrow as pa
from pyspark.sql import DataFrame

from promptknn.arrow_vectors import Floats, in_order
from promptknn.waves import smallest_waves

_ROWS_AT_ONCE = 25_000


def vector_sample(frame: DataFrame, vectors: str, rows: int, wanted: int) -> Floats:
    """Read the vectors of the smallest prompt_ids.

    Spark sorts nothing for it: to choose the first of all rows it would bring them into one task,
    and so into the driver's heap, which holds one part of 25,000 at a time.

    Args:
        frame: prompt_id and the vectors.
        vectors: name of their column.
        rows: how many the frame has.
        wanted: how many to take.

    Returns:
        float32, (wanted or all there are, d), in the order of their ids.
    """
    some = frame.select("prompt_id", vectors)
    waves = smallest_waves(rows, wanted, _ROWS_AT_ONCE)
    parts = [some.where(wave.condition("prompt_id")).toArrow() for wave in waves]
    return in_order(pa.concat_tables(parts), "prompt_id", vectors)[1][:wanted]
