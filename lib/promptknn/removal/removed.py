"""Which prompts were removed, for the stages that must not bring them back."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.index.version import LONGEST_BUILD
from promptknn.lake import Lake
from promptknn.tables import INDEX_VERSIONS, REMOVED_PROMPTS

# The reason in rejected_prompts for a row that cleaning makes a removed prompt of.
REMOVED = "removed_prompt"


def removed_ids(lake: Lake) -> DataFrame | None:
    """Read the prompt_ids that were removed; None where there are none, for a cheap look."""
    removed = lake.read_if_there(REMOVED_PROMPTS)
    return None if removed is None or removed.isEmpty() else removed.select("prompt_id")


def without_removed(lake: Lake, rows: DataFrame) -> DataFrame:
    """Leave out the rows whose prompt_id was removed; one without a prompt_id stays."""
    removed = removed_ids(lake)
    return rows if removed is None else rows.join(removed, "prompt_id", "left_anti")


def removed_since(lake: Lake, version: str) -> tuple[str, ...]:
    """Read the removed prompts that an index version may still hold.

    Few: the job that removes prompts builds the index anew.
    """
    removed = lake.read_if_there(REMOVED_PROMPTS)
    if removed is None:
        return ()
    built = lake.read(INDEX_VERSIONS).where(F.col("index_version") == version)
    earliest = (F.col("built_at") - F.lit(LONGEST_BUILD)).alias("earliest")
    later = removed.join(built.select(earliest), F.col("removed_at") >= F.col("earliest"))
    return tuple(sorted(row.prompt_id for row in later.select("prompt_id").collect()))
