"""The stage that reads every source into raw_prompts."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from promptknn.cleaning.normalisation import normalised
from promptknn.deduplication.exact import prompt_id_of
from promptknn.removal.removed import removed_ids
from promptknn.stage import Context, Counts, Stage
from promptknn.tables import RAW_PROMPTS


class IngestPrompts(Stage):
    """sources -> raw_prompts; rows that are there already are not written again.

    Rows of prompts that were removed are left out. What a source no longer holds stays, and so does
    a source that the settings no longer name.
    """

    name = "ingest_prompts"
    outputs = (RAW_PROMPTS,)

    def run(self, context: Context) -> Counts:
        written, removed = 0, removed_ids(context.lake)
        held = context.lake.read_pinned(RAW_PROMPTS)
        for source in context.settings.sources:
            rows = source.read(context.spark).select(
                F.lit(source.label).alias("source"),
                _distinct_id().alias("source_row_id"),
                "text",
                "image_uri",
                "metadata",
                F.current_timestamp().alias("ingested_at"),
            )
            if removed is not None:
                own_id = prompt_id_of(normalised(F.col("text")))
                rows = rows.withColumn("prompt_id", own_id).join(removed, "prompt_id", "left_anti")
            known = held.where(F.col("source") == source.label)
            if not known.isEmpty():
                rows = _beside_known(rows, known)
            label = source.label.replace("\\", "\\\\").replace("'", "\\'")
            written += context.lake.insert(RAW_PROMPTS, rows, within=f"t.source = '{label}'")
        labels = ", ".join(source.label for source in context.settings.sources)
        message = f"{written:,} new rows from {labels}" if written else f"nothing new in {labels}"
        if removed is not None:
            message += f"; rows of {removed.count():,} removed prompts are left out"
        message += _not_named(held, [source.label for source in context.settings.sources])
        return Counts(rows_in=written, rows_out=written, message=message)


def _beside_known(rows: DataFrame, known: DataFrame) -> DataFrame:
    """Name by its text a row whose id has another text in the table.

    Ids may start anew in each month's file, or a source corrects a text: both texts are kept.
    """
    texts = known.select("source_row_id", F.xxhash64("text").alias("known_text"))
    hash_ = F.substring(F.sha2(F.coalesce("text", F.lit("")), 256), 1, 16)
    another = F.col("known_text") != F.xxhash64("text")
    named = F.when(another, F.concat_ws("-", "source_row_id", hash_))
    return (
        rows.join(texts, "source_row_id", "left")
        .withColumn("source_row_id", F.coalesce(named, "source_row_id"))
        .drop("known_text")
    )


def _not_named(held: DataFrame, labels: list[str]) -> str:
    """Say which sources have rows, but stand no more in the settings."""
    others = held.where(~F.col("source").isin(labels)).select("source").distinct()
    found = sorted(row.source for row in others.collect())
    if not found:
        return ""
    return (
        f"; the rows of {', '.join(found)} stay, which `sources` does not name: "
        f"jobs/remove_prompts.py takes prompts out for good"
    )


def _distinct_id() -> Column:
    """Name rows that share an id (repeated lines of a file, say) apart, so that none is lost.

    Those that share an id and nothing else are named by what they hold, those that are all alike
    are numbered: what the source gains later takes no row's name. (A row that was alone under its
    id comes again, under its second name, once it is not.) The number's hash keeps `a-2`, the
    second row called `a`, apart from a row called so by itself.
    """
    held = F.sha2(F.to_json(F.struct("text", "image_uri")), 256)
    same_id = Window.partitionBy("source_row_id")
    alike = F.min(held).over(same_id) == F.max(held).over(same_id)
    by_content = F.concat_ws("-", "source_row_id", F.substring(held, 1, 16))
    name = F.when(alike, F.col("source_row_id")).otherwise(by_content)
    number = F.row_number().over(Window.partitionBy("source_row_id", held).orderBy(F.lit(0)))
    hash_ = F.substring(F.sha2(F.concat_ws("\x1f", "source_row_id", number), 256), 1, 8)
    return F.when(number == 1, name).otherwise(F.concat_ws("-", name, number, hash_))
