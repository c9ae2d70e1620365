"""The sample of the pool that an index is trained on, read by the driver."""

from pyspark.sql import DataFrame

from promptknn.arrow_vectors import from_arrow
from promptknn.encoders.encoder import Vectors
from promptknn.index.query_map import QueryMap
from promptknn.vector_sample import vector_sample

_ROWS_AT_ONCE = 10_000


def training_sample(pool: DataFrame, rows: int, query_map: QueryMap, wanted: int) -> Vectors:
    """Take the prompts with the smallest ids.

    Args:
        pool: prompt_id and clip_embedding.
        rows: how many it has.
        query_map: takes prompts to keys.
        wanted: how many to take.

    Returns:
        Keys, float32, (wanted or all there are, d), unit rows, in the order of their ids.
    """
    found = vector_sample(pool, "clip_embedding", rows, wanted)
    # Part by part, in place: whole copies would be as large as the sample.
    for start in range(0, len(found), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        found[part] = query_map.keys(found[part])
    return found


def one_key(pool: DataFrame, query_map: QueryMap) -> Vectors:
    """Take any prompt, to learn the dimension: float32, (1, d)."""
    one = pool.select("clip_embedding").limit(1).toArrow()
    return query_map.keys(from_arrow(one.column("clip_embedding")))
