"""The stage that sorts raw prompts into prompts and rejected_prompts."""

from concurrent.futures import ThreadPoolExecutor

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.cleaning.prompt_terms import judged_by_vocabulary
from promptknn.cleaning.reasons import reasons_table
from promptknn.cleaning.rules import verdict
from promptknn.cleaning.text_reading import read_texts
from promptknn.deduplication.exact import first_of_each, prompt_id_of
from promptknn.encoders.hub import check_sentence
from promptknn.lake import Lake
from promptknn.materialised import materialised
from promptknn.removal.removed import REMOVED, removed_ids
from promptknn.settings import CleaningSettings, PolicySettings, Settings
from promptknn.stage import Context, Counts, Stage
from promptknn.tables import PROMPTS, RAW_PROMPTS, REJECTED_PROMPTS

_KEY = ["source", "source_row_id"]
_ACCEPTED = "verdict IS NULL AND first"
# So many keys each worker can hold; all rows would be sorted beside more.
_FEW = 200_000


def judged(
    raw: DataFrame, settings: CleaningSettings, policy: PolicySettings | None = None
) -> DataFrame:
    """Judge raw prompts by the rules.

    Args:
        raw: source, source_row_id and text, and metadata where the policy reads it.
        settings: thresholds and languages.
        policy: what is forbidden; None forbids nothing.

    Returns:
        source, source_row_id, original_text, text (normalised), language, score, and verdict:
        struct<reason, detail>, null where the row is kept.
    """
    rows = read_texts(raw).withColumn("verdict", F.expr(verdict(settings, policy)))
    return rows.drop("metadata")


class CleanPrompts(Stage):
    """raw_prompts -> prompts + rejected_prompts, every raw row in exactly one of them."""

    name = "clean_prompts"
    inputs = (RAW_PROMPTS,)
    outputs = (PROMPTS, REJECTED_PROMPTS)

    def check(self, settings: Settings) -> None:
        if settings.cleaning.vocabulary.mode != "off":
            check_sentence(settings.sentence)

    def run(self, context: Context) -> Counts:
        lake, policy = context.lake, context.settings.policy
        raw, prompts, rejected = (
            lake.read(table).count() for table in (RAW_PROMPTS, PROMPTS, REJECTED_PROMPTS)
        )
        metadata = ["metadata"] if policy.reads_metadata else []
        pending = lake.read(RAW_PROMPTS).select(*_KEY, "text", *metadata)
        for table, written in ((PROMPTS, prompts), (REJECTED_PROMPTS, rejected)):
            if written:
                judged_before = lake.read_pinned(table).select(*_KEY)
                pending = pending.join(judged_before, _KEY, "left_anti")
        # Delta knows how many rows there are without a look at them. Where the tables say nothing,
        # the rows are asked before any Python worker starts.
        if raw <= prompts + rejected and pending.isEmpty():
            return Counts(message=f"nothing new, {prompts:,} prompts")
        # New rows may all be in one of a table's files, which one task would read.
        tasks = -(-max(raw - prompts - rejected, 1) // context.settings.cleaning.prompts_per_task)
        spread = pending.repartition(tasks, *_KEY)
        by_rules = judged(spread, context.settings.cleaning, policy)
        with (
            judged_by_vocabulary(context, by_rules) as by_terms,
            materialised(_first_marked(_named(lake, by_terms)), lake) as rows,
        ):
            accepted = rows.where(_ACCEPTED)
            counts = rows.selectExpr("count(*)", f"count_if({_ACCEPTED})")
            todo, hoped = counts.collect()[0]
            others = rows.where(f"NOT ({_ACCEPTED})")
            with ThreadPoolExecutor() as pool:
                keeping = pool.submit(lake.insert, PROMPTS, _accepted(accepted))
                refused = lake.insert(REJECTED_PROMPTS, _refused(others))
                kept = keeping.result()
            # What prompts holds now decides, not what this run meant to write: it may have kept
            # another row of the same text.
            if kept < hoped:
                others = _not_in_prompts(lake, accepted, few=hoped - kept <= _FEW)
                refused += lake.insert(REJECTED_PROMPTS, _refused(others))
        message = f"{kept:,} prompts kept, {refused:,} rejected"
        details = reasons_table(lake) if refused else None
        return Counts(todo, kept, refused, message, details)


def _named(lake: Lake, rows: DataFrame) -> DataFrame:
    """Add prompt_id, and refuse what is a removed prompt: the ingest knows texts as found alone."""
    rows = rows.withColumn("prompt_id", prompt_id_of(F.col("text")))
    removed = removed_ids(lake)
    if removed is None:
        return rows
    refused = F.struct(F.lit(REMOVED).alias("reason"), F.col("prompt_id").alias("detail"))
    marked = rows.join(removed.withColumn("removed", F.lit(True)), "prompt_id", "left")
    verdict = F.when(F.col("verdict").isNull() & F.col("removed"), refused)
    return marked.withColumn("verdict", verdict.otherwise(F.col("verdict"))).drop("removed")


def _first_marked(rows: DataFrame) -> DataFrame:
    """Mark the first of the accepted rows of each text."""
    accepted = F.col("verdict").isNull()
    # A million empty texts are no group to sort.
    same = F.when(accepted, F.col("prompt_id")).otherwise(F.col("source_row_id"))
    return rows.withColumn("first", first_of_each(accepted, same))


def _not_in_prompts(lake: Lake, rows: DataFrame, few: bool) -> DataFrame:
    keys = rows.select(*_KEY).join(lake.read(PROMPTS).select(*_KEY), _KEY, "left_anti")
    return rows.join(F.broadcast(keys) if few else keys, _KEY, "left_semi")


def _accepted(rows: DataFrame) -> DataFrame:
    return rows.select(
        "prompt_id",
        "text",
        "original_text",
        "language",
        F.col("score").alias("language_score"),
        *_KEY,
        F.current_timestamp().alias("cleaned_at"),
    )


def _refused(rows: DataFrame) -> DataFrame:
    duplicate = F.struct(
        F.lit("exact_duplicate").alias("reason"), F.col("prompt_id").alias("detail")
    )
    return rows.withColumn("verdict", F.coalesce("verdict", duplicate)).select(
        *_KEY,
        F.col("original_text").alias("text"),
        F.col("verdict.reason").alias("reason"),
        F.coalesce("verdict.detail", F.lit("")).alias("detail"),
        F.current_timestamp().alias("rejected_at"),
    )
