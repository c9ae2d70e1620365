"""Does the stage keep just what greedy comparison of all pairs keeps, for any partitioning?

20,000 prompts, embedded by the sentence model: those of the files that PROMPTKNN_BENCH_PROMPTS
names (one prompt a line, separated by colons) first, then the demo's. The stage runs on tables of 1
and of 8 files; the answer it must give is computed on the driver, prompt by prompt.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from promptknn.deduplication.exact import prompt_id
from promptknn.deduplication.find_near_duplicates import FindNearDuplicates
from promptknn.encoders.models import Models
from promptknn.lake import Lake
from promptknn.session import open_session
from promptknn.settings import Settings, SparkSettings
from promptknn.sources.demo import compose
from promptknn.stage import Context
from promptknn.tables import NEAR_DUPLICATES
from tests.pool import Pool, add_embeddings, brute_force

PROMPTS = 20_000
THRESHOLD = 0.9
PARTITIONS = (1, 8)


def main() -> None:
    real, texts = _texts()
    encoder = Models.of(Settings()).sentence_encoder()
    pool = Pool([prompt_id(text) for text in texts], encoder.encode_texts(texts))
    started = time.perf_counter()
    expected = brute_force(pool, THRESHOLD)
    brute_seconds = time.perf_counter() - started
    spark = open_session(SparkSettings(application_name="near_duplicates"))
    table = Table(
        title=f"{PROMPTS:,} prompts, {real:,} of them from files; cosine above {THRESHOLD}"
    )
    for heading in ("who", "near duplicates", "differences", "seconds"):
        table.add_column(heading, justify="right")
    table.add_row("all pairs, one by one", f"{len(expected):,}", "", f"{brute_seconds:.1f}")
    differences, seconds = {}, {}
    for partitions in PARTITIONS:
        with tempfile.TemporaryDirectory() as folder:
            lake = Lake(spark, f"{folder}/lake", "benchmark")
            add_embeddings(lake, pool, partitions)
            settings = Settings.model_validate(
                {
                    "lake": lake.location,
                    "deduplication": {"similarity": THRESHOLD, "prompts_per_block": PROMPTS // 4},
                }
            )
            started = time.perf_counter()
            FindNearDuplicates().run(Context(spark, lake, settings, lambda done, total: None))
            seconds[partitions] = time.perf_counter() - started
            found = {row.prompt_id for row in lake.read(NEAR_DUPLICATES).collect()}
        differences[partitions] = len(found ^ set(expected))
        table.add_row(
            f"the stage, {partitions} files", f"{len(found):,}", f"{differences[partitions]:,}",
            f"{seconds[partitions]:.1f}",
        )  # fmt: skip
    Console().print(table)
    ratios = {str(number): brute_seconds / took for number, took in seconds.items()}
    said = {"differences": differences, "ratio_to_all_pairs": ratios}
    sys.stdout.write(json.dumps(said) + "\n")


def _texts() -> tuple[int, list[str]]:
    """Give prompts in the order of their ids, and how many are from files."""
    files = [
        Path(name) for name in os.environ.get("PROMPTKNN_BENCH_PROMPTS", "").split(":") if name
    ]
    lines = [line.strip() for file in files for line in file.read_text("utf-8").splitlines()]
    real = list(dict.fromkeys(line for line in lines if line))[:PROMPTS]
    texts = list(dict.fromkeys([*real, *compose(PROMPTS, seed=0)]))[:PROMPTS]
    return len(real), sorted(texts, key=prompt_id)


if __name__ == "__main__":
    main()
