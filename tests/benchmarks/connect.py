"""Do jobs as clients of Spark Connect write the tables that spark-submit writes?

400 of the demo's prompts and three photographs, from the sources to the evaluation: once with
spark-submit here, once with plain Python against a Connect server on a standalone cluster
of two workers, three shards. Every row of every table but job_runs is compared, numbers to 1e-5.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.cluster.connect import connect_server, run_connected
from tests.cluster.standalone import standalone
from tests.lakes import difference
from tests.small import PHOTOGRAPHS, small_tree
from tests.submission import submit_well, write_config

JOBS = ("build_index", "predict_prompts", "evaluate")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="promptknn-connect-") as folder:
        home = Path(folder)
        truths = home / "truths.csv"
        rows = [f"{Path(name).stem},a photograph of a {Path(name).stem}" for name in PHOTOGRAPHS]
        truths.write_text("\n".join(["image,prompt", *rows]))
        classic, connected = (_config(home / name, truths) for name in ("classic", "connected"))
        seconds = {
            "spark-submit": _timed(lambda job: submit_well(job, classic, classic.parent)),
        }
        with standalone(home) as master, connect_server(master, home) as remote:
            seconds["Spark Connect"] = _timed(lambda job: run_connected(job, connected, remote))
        found = difference(connected.parent / "lake", classic.parent / "lake")
    table = Table(title=f"{', '.join(JOBS)} of the small run")
    for heading in ("how", "seconds", "rows lost", "rows doubled", "tables that differ"):
        table.add_column(heading, justify="right")
    table.add_row("spark-submit", f"{seconds['spark-submit']:.0f}", "", "", "")
    table.add_row(
        "Spark Connect", f"{seconds['Spark Connect']:.0f}", str(found.lost), str(found.doubled),
        ", ".join(found.changed) or "none",
    )  # fmt: skip
    Console().print(table)
    said = {"rows_lost": found.lost, "rows_doubled": found.doubled, "changed": found.changed}
    ratio = {"ratio_of_seconds": seconds["Spark Connect"] / seconds["spark-submit"]}
    sys.stdout.write(json.dumps(said | ratio) + "\n")
    sys.exit(1 if found else 0)


def _config(home: Path, truths: Path) -> Path:
    home.mkdir()
    evaluation = {"truths": {"kind": "csv", "path": str(truths)}, "bootstrap_samples": 20}
    index = {"shards": 3, "cache": str(home / "cache")}
    return write_config(
        home / "small.yaml", {**small_tree(home), "index": index, "evaluation": evaluation}
    )


def _timed(run: Callable[[str], str]) -> float:
    started = time.perf_counter()
    for job in JOBS:
        run(job)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
