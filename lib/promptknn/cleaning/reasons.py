"""What the terminal shows after cleaning: how many rows were refused, and why."""

from pyspark.sql import functions as F
from rich.table import Table

from promptknn.lake import Lake
from promptknn.tables import REJECTED_PROMPTS

NO_KNOWN_TERMS, UNKNOWN_TERM = "no_known_terms", "unknown_term"


def reasons_table(lake: Lake) -> Table:
    """Count the rows that this run has refused, by their reason, the most frequent first."""
    refused = lake.read(REJECTED_PROMPTS).where(F.col("run_id") == lake.run_id)
    counts = refused.groupBy("reason").agg(F.count("*").alias("rows"))
    table = Table(title="Why rows were rejected")
    table.add_column("reason")
    table.add_column("rows", justify="right")
    for row in counts.orderBy(F.desc("rows"), "reason").collect():
        table.add_row(row.reason, f"{row.rows:,}")
    return table
