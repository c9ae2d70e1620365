"""How many prompts a second does cleaning take, every rule on, and what of it names languages?

A million prompts of the demo's composition (or as many as PROMPTKNN_BENCH_ROWS says), through the
stage with the vocabulary rule, Delta writes included; and the same texts through the identification
of languages alone.
"""

import json
import os
import sys
import tempfile
import time

from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table

from promptknn.cleaning.clean import CleanPrompts
from promptknn.cleaning.language import identified
from promptknn.lake import Lake
from promptknn.session import open_session
from promptknn.settings import Settings, SparkSettings
from promptknn.sources.demo import compose
from promptknn.stage import Context
from promptknn.tables import RAW_PROMPTS
from tests.rows import add_raw

ROWS = int(os.environ.get("PROMPTKNN_BENCH_ROWS", "1000000"))
WARMING_UP = 1_000


def main() -> None:
    spark = open_session(SparkSettings(application_name="clean"))
    texts = compose(ROWS, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        warm = Lake(spark, f"{folder}/warm", "benchmark")
        add_raw(warm, "benchmark", texts[:WARMING_UP])
        _clean(warm)
        lake = Lake(spark, f"{folder}/lake", "benchmark")
        add_raw(lake, "benchmark", texts)
        seconds, kept, refused = _clean(lake)
        started = time.perf_counter()
        languages = lake.read(RAW_PROMPTS).select(identified(F.col("text")).alias("found"))
        languages.agg(F.count("found.language"), F.avg("found.score")).collect()
        naming = time.perf_counter() - started
    if kept + refused != len(texts):
        raise SystemExit(f"{kept} kept and {refused} rejected are not {len(texts)}")
    table = Table(title=f"{len(texts):,} prompts, {os.cpu_count()} cores")
    for heading in ("part", "seconds", "prompts/s"):
        table.add_column(heading, justify="right")
    for name, took in (("cleaning, all of it", seconds), ("languages alone", naming)):
        table.add_row(name, f"{took:.1f}", f"{len(texts) / took:,.0f}")
    Console().print(table)
    said = {
        "prompts_per_second": len(texts) / seconds,
        "share_of_languages": naming / seconds,
        "kept": kept,
        "rejected": refused,
    }
    sys.stdout.write(json.dumps(said) + "\n")


def _clean(lake: Lake) -> tuple[float, int, int]:
    """Give the seconds that the stage takes, and how many prompts it kept and refused."""
    settings = Settings.model_validate(
        {"lake": lake.location, "cleaning": {"vocabulary": {"mode": "drop_term"}}}
    )
    started = time.perf_counter()
    done = CleanPrompts().run(Context(lake.spark, lake, settings, lambda done, total: None))
    return time.perf_counter() - started, done.rows_out, done.rows_rejected


if __name__ == "__main__":
    main()
