"""How many prompts a second does cleaning take, every rule on, and what of it names languages?

A million prompts of the demo's composition (or as many as PROMPTKNN_BENCH_ROWS says), through the
stage with the vocabulary rule, Delta writes included, all terms new to prompt_terms; as many again,
whose terms it knows but for a few; the first million in another lake with `sentence.precision:
bf16`, which CPUs with AMX multiply several times as fast; and the second million through the
identification of languages alone. Each worker has loaded its models before.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table

from promptknn.cleaning.clean import CleanPrompts
from promptknn.cleaning.text_reading import read_texts
from promptknn.lake import Lake
from promptknn.session import open_session
from promptknn.settings import Settings, SparkSettings
from promptknn.sources.demo import compose
from promptknn.stage import Context
from promptknn.tables import RAW_PROMPTS
from tests.rows import add_raw

ROWS = int(os.environ.get("PROMPTKNN_BENCH_ROWS", "1000000"))
WARMING_UP, TERMS_WARMING_UP = 1_000, 500


def main() -> None:
    spark = open_session(SparkSettings(application_name="clean"))
    both = compose(2 * ROWS, seed=0)
    texts, more = both[:ROWS], both[ROWS:]
    with tempfile.TemporaryDirectory() as folder:
        seconds, lake = _first(spark, f"{folder}/auto", texts, "auto")
        add_raw(lake, "more", more)
        again = _clean(lake)
        started = time.perf_counter()
        languages = read_texts(lake.read(RAW_PROMPTS).where("source = 'more'").select("text"))
        languages.agg(F.count("language"), F.avg("score")).collect()
        naming = time.perf_counter() - started
        halved, _ = _first(spark, f"{folder}/bf16", texts, "bf16")
    table = Table(title=f"{ROWS:,} prompts, {os.cpu_count()} cores")
    for heading in ("part", "seconds", "prompts/s"):
        table.add_column(heading, justify="right")
    parts = {
        "cleaning, all of it": seconds,
        "as many again": again,
        "all of it, bf16": halved,
        "languages alone": naming,
    }
    for name, took in parts.items():
        table.add_row(name, f"{took:.1f}", f"{ROWS / took:,.0f}")
    Console().print(table)
    said = {
        "prompts_per_second": ROWS / seconds,
        "prompts_per_second_again": ROWS / again,
        "prompts_per_second_bf16": ROWS / halved,
        "share_of_languages": naming / seconds,
    }
    sys.stdout.write(json.dumps(said) + "\n")


def _first(
    spark: SparkSession, folder: str, texts: Sequence[str], precision: str
) -> tuple[float, Lake]:
    """Clean texts in a lake that knows no terms, and a few in another before."""
    warm = Lake(spark, f"{folder}-warm", "benchmark")
    add_raw(warm, "benchmark", texts[:WARMING_UP])
    _clean(warm, precision, terms_per_task=TERMS_WARMING_UP)
    lake = Lake(spark, folder, "benchmark")
    add_raw(lake, "benchmark", texts)
    return _clean(lake, precision), lake


def _clean(lake: Lake, precision: str = "auto", **vocabulary: int) -> float:
    """Give the seconds that the stage takes; each pending row must end in one of its tables."""
    settings = Settings.model_validate({
        "lake": lake.location,
        "sentence": {"precision": precision},
        "cleaning": {"vocabulary": {"mode": "drop_term", **vocabulary}},
    })  # fmt: skip
    started = time.perf_counter()
    done = CleanPrompts().run(Context(lake.spark, lake, settings, lambda done, total: None))
    seconds = time.perf_counter() - started
    sys.stderr.write(f"{done.message}: {seconds:.1f} s\n")
    if done.rows_out + done.rows_rejected != done.rows_in:
        raise SystemExit(f"{done.message}: these are not {done.rows_in:,}")
    return seconds


if __name__ == "__main__":
    main()
