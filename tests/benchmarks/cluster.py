"""Are predictions the same on one core, on two and on a cluster, with 1 shard and with 8?

4,000 of the demo's prompts and scikit-image's pictures, package default. On local[1], local[2] and
a standalone cluster of two workers, build_index.py goes from the sources to an index of one shard,
and predict_prompts.py predicts; a copy of the lake, taken between the two, gets an index of eight.
All predictions are compared with those of local[1] and one shard: the ids of all 200 neighbours
must be equal except where similarities differ by less than 1e-6, and E_pred to 1e-5. So must every
table of the lakes with one shard be: row by row, numbers to 1e-5.
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable
from rich.table import Table

from promptknn.arrow_vectors import from_arrow
from promptknn.console import wide_console
from promptknn.tables import INDEX_SHARDS, PREDICTIONS, PROMPT_EMBEDDINGS
from tests.cluster.standalone import CONF, standalone
from tests.lakes import difference
from tests.submission import submit_well, write_config
from tests.vectors import Disagreement, disagreement

PROMPTS, K = 4_000, 200
SHARDS = (1, 8)


@dataclass(frozen=True)
class Run:
    """Both jobs under one master, with an index of so many shards.

    Attributes:
        master: its name.
        home: holds the settings, the lake and the host's cache.
        url: of the master, as Spark takes it.
        wanted: how many shards.
    """

    master: str
    home: Path
    url: str
    wanted: int

    @property
    def lake(self) -> Path:
        return self.home / "lake"

    def submit(self, job: str) -> float:
        """Run a job, and tell the seconds."""
        tree: dict[str, object] = {
            "lake": str(self.lake),
            "sources": [{"kind": "demo", "prompts": PROMPTS}],
            "images": {"paths": ["package:skimage/data"]},
            # Enough tasks that every core has its share.
            "embedding": {"prompts_per_task": PROMPTS // 8, "images_per_task": 4},
            # A cache of its own: nothing that another run left there is found.
            "index": {"shards": self.wanted, "cache": str(self.home / "cache")},
            "prediction": {"k": K, "neighbours_kept": K},
            "spark": {"master": self.url, "conf": CONF},
        }
        started = time.perf_counter()
        submit_well(job, write_config(self.home / "cluster.yaml", tree), self.home)
        return time.perf_counter() - started

    def read(self, table: str) -> pa.Table:
        return DeltaTable(str(self.lake / table)).to_pyarrow_table()

    def shards(self) -> int:
        """Count the shards of the index that was searched."""
        (searched,) = set(self.read(PREDICTIONS.name)["index_version"].to_pylist())
        written: list[str] = self.read(INDEX_SHARDS.name)["index_version"].to_pylist()
        return written.count(searched)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="promptknn-cluster-") as folder:
        home = Path(folder)
        runs = [*_runs(home, "local[1]", "local[1]"), *_runs(home, "local[2]", "local[2]")]
        with standalone(home) as url:
            runs += _runs(home, "cluster", url)
        said, same = _judged(runs)
    sys.stdout.write(json.dumps(said) + "\n")
    sys.exit(0 if same else 1)


def _runs(home: Path, master: str, url: str) -> Iterator[tuple[Run, float]]:
    """Run from the sources to predictions with one shard, then from the copy with many."""
    one, many = (Run(master, home / f"{master} {shards}", url, shards) for shards in SHARDS)
    for run in (one, many):
        run.home.mkdir()
    seconds = one.submit("build_index")
    shutil.copytree(one.lake, many.lake)
    yield one, seconds + one.submit("predict_prompts")
    yield many, many.submit("build_index") + many.submit("predict_prompts")


def _judged(runs: list[tuple[Run, float]]) -> tuple[dict[str, object], bool]:
    """Print how the runs compare with the first; give the whole, and whether all is the same."""
    first = runs[0][0]
    expected = first.read(PREDICTIONS.name)
    table = Table(title=f"{PROMPTS:,} prompts, {K} neighbours an image, against the first run")
    for heading in (
        "master", "shards", "images", "seconds", "ids that differ", "ids that tie",
        "largest difference of similarities", "of vectors", "of prompt embeddings",
        "tables that differ",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    found, changed, embeddings = [], set(), 0.0
    for run, seconds in runs:
        predictions = run.read(PREDICTIONS.name)
        apart = disagreement(predictions, expected)
        found.append(apart)
        of_embeddings = _largest_difference(run, first)
        embeddings = max(embeddings, of_embeddings)
        # The others' index is another one by intent.
        tables = difference(run.lake, first.lake).changed if run.wanted == first.wanted else None
        changed |= set(tables or [])
        table.add_row(
            run.master, str(run.shards()), str(predictions.num_rows), f"{seconds:.0f}",
            str(len(apart.ids)), str(len(apart.tied)), f"{apart.similarities:.1e}",
            f"{apart.vectors:.1e}", f"{of_embeddings:.1e}",
            "" if tables is None else ", ".join(tables) or "none",
        )  # fmt: skip
    wide_console(stderr=False).print(table)
    as_wanted = all(run.shards() == run.wanted for run, _ in runs)
    return _said(found, expected.num_rows, embeddings, sorted(changed)), (
        as_wanted and not any(found) and not changed
    )


def _said(
    found: list[Disagreement], images: int, embeddings: float, changed: list[str]
) -> dict[str, object]:
    return {
        "different_ids": sum(len(each.ids) for each in found),
        "tied_ids": sum(len(each.tied) for each in found),
        "missing_images": sum(len(each.images) for each in found),
        "largest_difference": max(each.vectors for each in found),
        "largest_difference_of_similarities": max(each.similarities for each in found),
        "largest_difference_of_embeddings": embeddings,
        "images": images,
        "tables_that_differ": changed,
    }


def _largest_difference(run: Run, first: Run) -> float:
    """Compare the vectors of all prompts; infinite where the prompts are not the same."""
    ours, theirs = (each.read(PROMPT_EMBEDDINGS.name).sort_by("prompt_id") for each in (run, first))
    if ours["prompt_id"] != theirs["prompt_id"]:
        return float("inf")
    return max(
        float(np.abs(from_arrow(ours[name]) - from_arrow(theirs[name])).max())
        for name in ("clip_embedding", "sentence_embedding")
    )


if __name__ == "__main__":
    main()
