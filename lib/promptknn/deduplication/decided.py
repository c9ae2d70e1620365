"""Which prompts are decided to be near duplicates, and which to be kept."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.encoders.models import Models
from promptknn.lake import Lake
from promptknn.settings import DeduplicationSettings
from promptknn.table import Table
from promptknn.tables import KEPT_PROMPTS, NEAR_DUPLICATES


def decided(lake: Lake, table: Table, models: Models, settings: DeduplicationSettings) -> DataFrame:
    """Read prompt_ids of kept_prompts or near_duplicates, as these models and settings decided.

    No row where `similarity` is None: near duplicates stay in.
    """
    frame = lake.read(table).where(F.col("sentence_model") == models.sentence_identity)
    return frame.where(F.col("threshold") == F.lit(settings.similarity)).select("prompt_id")


def forget_decided(lake: Lake, forbidden: DataFrame) -> None:
    """Forget that forbidden prompts were kept, and what was set apart as near one of them.

    What is allowed of that is decided again: of two that are near, the index holds the other. A
    forbidden prompt that was set apart itself stays so.
    """
    near = lake.read(NEAR_DUPLICATES)
    # Near duplicates first: a run that is killed in between finds the others still.
    for table, named in (
        (NEAR_DUPLICATES, near.withColumn("named", F.col("kept_prompt_id"))),
        (KEPT_PROMPTS, lake.read(KEPT_PROMPTS).withColumn("named", F.col("prompt_id"))),
    ):
        rows = named.join(forbidden.toDF("named"), "named", "left_semi").select(*table.key)
        if not rows.isEmpty():
            lake.delete(table, rows.distinct())
