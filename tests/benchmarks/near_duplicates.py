"""Does the stage find the near duplicates that comparison of all pairs finds, and how much sooner?

Exactness: 20,000 prompts, embedded by the sentence model, real ones first where
PROMPTKNN_BENCH_PROMPTS names files. The stage runs on tables of 1 and of 8 files; the answer it
must give is computed on the driver, prompt by prompt.

Speed: 200,000 composed prompts (embedded once on a machine, which takes some minutes). Beside it
every pair is compared by FAISS. A pair above the threshold that is left among the kept prompts was
missed. The stage runs twice: the first time Java compiles as it goes, and its heap grows. At last a
million vectors, the mean of two of those each, must end.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np
from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table

from promptknn.deduplication.exact import prompt_id
from promptknn.deduplication.find_near_duplicates import FindNearDuplicates
from promptknn.deduplication.near import Positions
from promptknn.encoders.encoder import Vectors, unit
from promptknn.encoders.models import Models
from promptknn.lake import Lake
from promptknn.session import open_session
from promptknn.settings import Settings, SparkSettings
from promptknn.stage import Context
from promptknn.tables import NEAR_DUPLICATES
from tests.minilm import composed_vectors
from tests.pool import Pool, add_embeddings, add_embeddings_of_file, brute_force, id_of
from tests.texts import texts

PROMPTS, MANY, MOST = 20_000, 200_000, 1_000_000
THRESHOLD = 0.9
PARTITIONS = (1, 8)
_ROWS_AT_ONCE = 4_096


def main() -> None:
    spark = open_session(SparkSettings(application_name="near_duplicates"))
    table = Table(title=f"cosine above {THRESHOLD}, {os.cpu_count()} cores")
    for heading in ("prompts", "who", "near duplicates", "missed", "seconds"):
        table.add_column(heading, justify="right")
    result = _exactness(spark, table) | _speed(spark, table)
    Console().print(table)
    sys.stdout.write(json.dumps(result) + "\n")
    if any(result["differences"].values()):
        raise SystemExit("the stage and comparison of all pairs differ")


def _exactness(spark: SparkSession, table: Table) -> dict[str, dict[int, int]]:
    real, prompts = texts(PROMPTS)
    # The stage's order of precedence.
    prompts.sort(key=prompt_id)
    encoder = Models.of(Settings()).sentence_encoder()
    pool = Pool([prompt_id(text) for text in prompts], encoder.encode_texts(prompts))
    name = f"{PROMPTS:,}, {real:,} of them real"
    started = time.perf_counter()
    expected = brute_force(pool, THRESHOLD)
    took = time.perf_counter() - started
    table.add_row(name, "all pairs, one by one", f"{len(expected):,}", "", f"{took:.1f}")
    differences = {}
    for partitions in PARTITIONS:
        with tempfile.TemporaryDirectory() as folder:
            lake = Lake(spark, f"{folder}/lake", "benchmark")
            add_embeddings(lake, pool, partitions)
            found, took = _stage(lake, PROMPTS // 4)
        differences[partitions] = len(found ^ set(expected))
        who, wrong = f"the stage, {partitions} files", f"{differences[partitions]:,}"
        table.add_row(name, who, f"{len(found):,}", wrong, f"{took:.1f}")
    return {"differences": differences}


def _speed(spark: SparkSession, table: Table) -> dict[str, float]:
    vectors = composed_vectors(MANY)
    started = time.perf_counter()
    left, right = _pairs_above(vectors)
    by_pairs, pairs = time.perf_counter() - started, len(left)
    table.add_row(f"{MANY:,}", "all pairs, by FAISS", f"{pairs:,} pairs", "", f"{by_pairs:.1f}")
    found, seconds = _from_file(spark, vectors)
    same, again = _from_file(spark, vectors)
    if same != found:
        raise SystemExit("two runs of the stage differ")
    kept = np.array([id_of(number) not in found for number in range(MANY)])
    missed = int((kept[left] & kept[right]).sum())
    table.add_row(
        f"{MANY:,}", "the stage", f"{len(found):,}", f"{missed:,} pairs", f"{seconds:.1f}"
    )
    table.add_row(f"{MANY:,}", "the stage again", f"{len(same):,}", "", f"{again:.1f}")
    draw = np.random.default_rng(0)
    both = draw.integers(MANY, size=(2, MOST))
    many, took = _from_file(spark, unit(vectors[both[0]] + vectors[both[1]]))
    table.add_row(f"{MOST:,}", "the stage", f"{len(many):,}", "", f"{took:.1f}")
    return {
        "recall_of_pairs": 1 - missed / pairs,
        "ratio_to_all_pairs": by_pairs / seconds,
        "ratio_again": by_pairs / again,
        "seconds_for_a_million": took,
    }


def _from_file(spark: SparkSession, vectors: Vectors) -> tuple[set[str], float]:
    with tempfile.TemporaryDirectory() as folder:
        lake, file = Lake(spark, f"{folder}/lake", "benchmark"), Path(folder, "vectors.npy")
        np.save(file, vectors)
        add_embeddings_of_file(lake, file, 8)
        return _stage(lake)


def _stage(lake: Lake, prompts_per_block: int | None = None) -> tuple[set[str], float]:
    """Give the near duplicates that the stage finds, and the seconds it takes."""
    tree: dict[str, object] = {"similarity": THRESHOLD}
    if prompts_per_block:
        tree["prompts_per_block"] = prompts_per_block
    settings = Settings.model_validate({"lake": lake.location, "deduplication": tree})
    started = time.perf_counter()
    FindNearDuplicates().run(Context(lake.spark, lake, settings, lambda done, total: None))
    seconds = time.perf_counter() - started
    return {row.prompt_id for row in lake.read(NEAR_DUPLICATES).collect()}, seconds


def _pairs_above(vectors: Vectors) -> tuple[Positions, Positions]:
    """Find the pairs above the threshold, every pair compared once: both rows, int64, (p,)."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    left, right = [], []
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        rows = vectors[start : start + _ROWS_AT_ONCE]
        limits, _, earlier = index.range_search(rows, THRESHOLD)
        left.append(start + np.repeat(np.arange(len(rows)), np.diff(limits.astype(np.int64))))
        right.append(earlier)
        index.add(rows)
        one, other = np.nonzero(np.triu(rows @ rows.T, 1) > THRESHOLD)
        left.append(start + one)
        right.append(start + other)
    return np.concatenate(left), np.concatenate(right)


if __name__ == "__main__":
    main()
