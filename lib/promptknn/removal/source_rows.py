"""The source rows of prompts, exact duplicates and refused rows included."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.cleaning.normalisation import normalised
from promptknn.deduplication.exact import prompt_id_of
from promptknn.lake import Lake
from promptknn.removal.removed import REMOVED
from promptknn.tables import PROMPTS, RAW_PROMPTS, REJECTED_PROMPTS

_KEY = list(RAW_PROMPTS.key)


def with_own_id(raw: DataFrame) -> DataFrame:
    """Name source rows by their text as found: source, source_row_id, prompt_id.

    It is the id of the row's prompt too, but where `cleaning.vocabulary` has dropped terms.
    """
    own_id = prompt_id_of(normalised(F.col("text"))).alias("prompt_id")
    return raw.select(*_KEY, own_id).where("prompt_id IS NOT NULL")


def cleaned_to(lake: Lake) -> DataFrame:
    """Tell what cleaning made of source rows: source, source_row_id, prompt_id.

    A row that repeats a prompt has that prompt's id; one that was refused otherwise is not there.
    """
    refused = lake.read_or_empty(REJECTED_PROMPTS)
    repeats = refused.where(F.col("reason").isin("exact_duplicate", REMOVED))
    prompts = lake.read_or_empty(PROMPTS).select(*_KEY, "prompt_id")
    return prompts.union(repeats.select(*_KEY, F.col("detail").alias("prompt_id")))


def other_ids(lake: Lake, ids: DataFrame, by_text: DataFrame) -> DataFrame:
    """Find the other ids of the rows of some prompts, where terms were dropped from texts.

    With them, a later ingest knows the same rows again: it sees texts as found.

    Args:
        lake: has the rows.
        ids: a column prompt_id.
        by_text: source rows whose text as found has one of the ids.

    Returns:
        A column prompt_id; some of `ids` are among them.
    """
    cleaned = cleaned_to(lake)
    prompts = cleaned.join(by_text, _KEY, "left_semi").select("prompt_id")
    rows = cleaned.join(ids.union(prompts), "prompt_id", "left_semi").select(*_KEY)
    raw = lake.read_or_empty(RAW_PROMPTS).join(rows, _KEY, "left_semi")
    return prompts.union(with_own_id(raw).select("prompt_id")).distinct()


def source_rows(lake: Lake, ids: DataFrame, by_text: DataFrame) -> DataFrame:
    """Find all source rows of some prompts: source, source_row_id, each once."""
    by_prompt = cleaned_to(lake).join(ids, "prompt_id", "left_semi").select(*_KEY)
    return by_text.select(*_KEY).union(by_prompt).distinct()
