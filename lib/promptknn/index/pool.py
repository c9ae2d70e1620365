"""The pool: the prompts an index holds, with their vectors."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.deduplication.decided import decided
from promptknn.encoders.embed_prompts import of_models
from promptknn.encoders.models import Models
from promptknn.index.write_shards import RESCORING_COLUMN
from promptknn.lake import Lake
from promptknn.removal.removed import without_removed
from promptknn.settings import DeduplicationSettings
from promptknn.tables import NEAR_DUPLICATES, PROMPT_EMBEDDINGS, PROMPTS


def pool_of(
    lake: Lake,
    models: Models,
    second: Models | None,
    settings: DeduplicationSettings,
    forbidden: DataFrame | None = None,
) -> DataFrame:
    """Give the prompts that are embedded, no near duplicates, not removed and not forbidden.

    Args:
        lake: has them.
        models: whose vectors.
        second: models whose CLIP vectors stand beside them, to score neighbours again.
        settings: which near duplicates are left out.
        forbidden: prompt_ids that the policy keeps out; None for none.

    Returns:
        The columns of prompt_embeddings, text, and rescoring_embedding where there is a second
        model.
    """
    embeddings = lake.read(PROMPT_EMBEDDINGS)
    pool = (
        of_models(embeddings, models)
        .join(lake.read(PROMPTS).select("prompt_id", "text"), "prompt_id")
        .join(decided(lake, NEAR_DUPLICATES, models, settings), "prompt_id", "left_anti")
    )
    pool = without_removed(lake, pool)
    if forbidden is not None:
        pool = pool.join(forbidden, "prompt_id", "left_anti")
    if second is None:
        return pool
    vectors = F.col("clip_embedding").alias(RESCORING_COLUMN)
    return pool.join(of_models(embeddings, second).select("prompt_id", vectors), "prompt_id")


def digest_of(pool: DataFrame) -> tuple[int, str]:
    """Count a pool and digest its ids, whatever their order."""
    row = pool.select(F.count("*"), F.expr("bit_xor(xxhash64(prompt_id))")).collect()[0]
    return int(row[0]), f"{(row[1] or 0) & (2**64 - 1):016x}"
