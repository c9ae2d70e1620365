"""The stage that takes prompts out of every table, and keeps them out."""

from dataclasses import replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from rich.table import Table as RichTable

from promptknn.materialised import checkpointed
from promptknn.removal.affected import affected_rows, counts_of
from promptknn.removal.choice import Choice
from promptknn.removal.pictures import picture_files
from promptknn.removal.source_rows import other_ids, source_rows, with_own_id
from promptknn.removal.term_counts import forget_terms
from promptknn.stage import Context, Counts, Stage
from promptknn.tables import PROMPT_TERMS, PROMPTS, RAW_PROMPTS, REMOVED_PROMPTS

_PICTURES = "picture files"


class RemovePrompts(Stage):
    """removed_prompts grows by the chosen prompts; every other table loses their rows.

    From the first write on no search finds them, no ingest brings them back, no index is built of
    them. A run that was killed is finished by the next one, whatever that one is asked to remove.
    """

    name = "remove_prompts"

    def __init__(self, choice: Choice, dry_run: bool = False) -> None:
        """Plan it.

        Args:
            choice: the prompts; none finishes what an earlier run has left.
            dry_run: count, and change nothing.
        """
        self._choice, self._dry_run = choice, dry_run
        self.outputs = () if dry_run else (REMOVED_PROMPTS,)

    def run(self, context: Context) -> Counts:
        lake = context.lake
        chosen = self._choice.chosen(lake)
        new = 0 if self._dry_run else _record(context, chosen)
        removed = lake.read_or_empty(REMOVED_PROMPTS).select("prompt_id")
        ids = checkpointed(removed.union(chosen.select("prompt_id")).distinct())
        if ids.isEmpty():
            return Counts(message="nothing to remove: no prompt was chosen, now or before")
        raw = with_own_id(lake.read_or_empty(RAW_PROMPTS))
        by_text = checkpointed(raw.join(ids, "prompt_id", "left_semi"))
        every = checkpointed(ids.union(other_ids(lake, ids, by_text)).distinct())
        number = every.count()
        if number > ids.count():
            # A row that is not cleaned yet has no id but that of its text.
            by_text = raw.join(every, "prompt_id", "left_semi")
        if not self._dry_run:
            _record(context, every.withColumn("chosen_by", F.lit("row")))
        rows = checkpointed(source_rows(lake, every, by_text))
        counts = self._counted(number, self._delete(context, every, rows))
        return replace(counts, rows_in=max(counts.rows_in, new))

    def _delete(self, context: Context, ids: DataFrame, rows: DataFrame) -> dict[str, int]:
        """Delete what there is, or count it: rows of each table, and picture files."""
        lake, delete = context.lake, not self._dry_run
        affected = affected_rows(lake, ids, rows)
        counts = {_PICTURES: picture_files(context, ids, delete), **counts_of(affected)}
        if not delete:
            return counts
        for number, (table, keys) in enumerate(affected):
            context.progress(number, len(affected))
            if counts.get(table.name):
                counts[table.name] = lake.delete(table, keys)
                lake.purge(table)
        return {**counts, PROMPT_TERMS.name: forget_terms(lake)}

    def _counted(self, ids: int, counts: dict[str, int]) -> Counts:
        counts = {name: count for name, count in counts.items() if count}
        table = RichTable(title="What would go" if self._dry_run else "What was removed")
        table.add_column("from")
        table.add_column("rows", justify="right")
        for name, count in counts.items():
            table.add_row(name, f"{count:,}")
        prompts, total = counts.get(PROMPTS.name, 0), sum(counts.values())
        what = f"{prompts:,} prompts, {total:,} rows and files"
        if self._dry_run:
            message = f"would remove {what}; nothing was changed"
        else:
            message = f"{what} removed, {ids:,} ids are kept out from now on"
        return Counts(total, total, message=message, details=table if counts else None)


def _record(context: Context, chosen: DataFrame) -> int:
    rows = chosen.withColumn("removed_at", F.current_timestamp())
    return context.lake.insert(REMOVED_PROMPTS, rows)
