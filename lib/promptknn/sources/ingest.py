"""The stage that reads every source into raw_prompts."""

from pyspark.sql import Column, Window
from pyspark.sql import functions as F

from promptknn.cleaning.normalisation import normalised
from promptknn.deduplication.exact import prompt_id_of
from promptknn.removal.removed import removed_ids
from promptknn.stage import Context, Counts, Stage
from promptknn.tables import RAW_PROMPTS


class IngestPrompts(Stage):
    """sources -> raw_prompts; rows that are there already are not written again.

    Rows of prompts that were removed are left out.
    """

    name = "ingest_prompts"
    outputs = (RAW_PROMPTS,)

    def run(self, context: Context) -> Counts:
        written, removed = 0, removed_ids(context.lake)
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
            label = source.label.replace("\\", "\\\\").replace("'", "\\'")
            written += context.lake.insert(RAW_PROMPTS, rows, within=f"t.source = '{label}'")
        labels = ", ".join(source.label for source in context.settings.sources)
        message = f"{written:,} new rows from {labels}" if written else f"nothing new in {labels}"
        if removed is not None:
            message += f"; rows of {removed.count():,} removed prompts are left out"
        return Counts(rows_in=written, rows_out=written, message=message)


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
