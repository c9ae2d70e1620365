"""Does a lake that is fed for weeks stay within its memory and its files?

One long-lived Spark session with a fixed heap does 20 cycles on one lake: 26,000 new prompts in the
first, so that the blocks in which vectors are held are full, then 200; each time 3 new pictures
(crops of scikit-image's photographs), every stage before the index, the index, the predictions;
every fourth cycle ends with maintenance, whose retention is set to nothing here.
Measured after each cycle: the driver's heap after a collection, what its Python process and the
largest Python worker hold for themselves, the files of tables, and the files of the index and of
the host's cache that no kept version needs. What grows from the fourth cycle on, by a linear
regression whose 95 % interval lies above 0, must grow by less than 0.5 % of its mean a cycle; files
are compared after maintenance, where the lake holds more prompts but no more versions, and where
the index and the cache must hold nothing unneeded.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table
from scipy import stats

from promptknn.cleaning.clean import CleanPrompts
from promptknn.deduplication.find_near_duplicates import FindNearDuplicates
from promptknn.encoders.embed_prompts import EmbedPrompts
from promptknn.images.embed_images import EmbedImages
from promptknn.index.build import BuildIndex
from promptknn.index.forget import copied_folders
from promptknn.index.version import QUERY_MAP_FOLDER
from promptknn.lake import Lake
from promptknn.maintenance.maintain_lake import MaintainLake
from promptknn.maintenance.settings import MaintenanceSettings
from promptknn.prediction.predict import PredictPrompts
from promptknn.progress import Display
from promptknn.runner import run_stages
from promptknn.session import open_session
from promptknn.settings import Settings
from promptknn.sources.demo import compose
from promptknn.sources.ingest import IngestPrompts
from promptknn.tables import INDEX_SHARDS, INDEX_VERSIONS
from tests.photographs import photograph
from tests.processes import python_workers
from tests.small import INTERPRETED

CYCLES = int(os.environ.get("PROMPTKNN_SOAK_CYCLES", "20"))
FIRST, PROMPTS, PICTURES, MAINTAINED_EVERY = 26_000, 200, 3, 4
# Caches fill and models load before.
SETTLED = 3
NEGLIGIBLE = 0.005
_PHOTOGRAPHS = ("chelsea", "coffee", "rocket", "astronaut")
_MEGABYTE = 1_000_000
_BESIDE = (".lock", ".checked")


@dataclass(frozen=True)
class Look:
    """What is held after a cycle: megabytes, and numbers of files."""

    cycle: int
    seconds: float
    heap: float
    driver: float
    worker: float
    data_files: int
    log_files: int
    unneeded_in_index: int
    unneeded_in_cache: int


MEMORY = ("heap", "driver", "worker")


@dataclass(frozen=True)
class Trend:
    """Growth a cycle, with its 95 % interval, and whether it matters."""

    slope: float
    low: float
    high: float
    level: float

    @classmethod
    def of(cls, cycles: Sequence[int], values: Sequence[float]) -> "Trend":
        if len(set(values)) == 1:
            return cls(0.0, 0.0, 0.0, values[0])
        fit = stats.linregress(cycles, values)
        half = fit.stderr * stats.t.ppf(0.975, len(cycles) - 2)
        return cls(fit.slope, fit.slope - half, fit.slope + half, float(np.mean(values)))

    @property
    def grows(self) -> bool:
        return self.low > 0 and self.slope > NEGLIGIBLE * self.level


def settings_for(home: Path) -> Settings:
    settings = Settings.model_validate({
        "lake": str(home / "lake"),
        "sources": [{"kind": "file", "path": str(home / "prompts" / "*.txt"), "name": "soak"}],
        "clip": {"views": 1},
        "images": {"paths": [str(home / "pictures")]},
        "index": {"cache": str(home / "cache")},
        "prediction": {"k": 50},
        "spark": {"application_name": "soak", "conf": {
            "spark.driver.memory": "1g",
            "spark.sql.shuffle.partitions": "2",
            **INTERPRETED,
            "spark.databricks.delta.retentionDurationCheck.enabled": "false",
        }},
    })  # fmt: skip
    # Below the week that the settings allow: no other job reads this lake.
    maintenance = MaintenanceSettings.model_construct(retention_hours=0, index_versions_kept=3)
    return settings.model_copy(update={"maintenance": maintenance})


def feed(home: Path, cycle: int, texts: Sequence[str]) -> None:
    """Add a cycle's prompts and pictures."""
    for folder in ("prompts", "pictures"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    start = FIRST + (cycle - 1) * PROMPTS
    own = texts[start : start + PROMPTS] if cycle else texts[:FIRST]
    (home / "prompts" / f"{cycle:02d}.txt").write_text("\n".join(own), encoding="utf-8")
    draw = np.random.default_rng(cycle)
    for number in range(PICTURES):
        whole = photograph(_PHOTOGRAPHS[int(draw.integers(len(_PHOTOGRAPHS)))])
        left, top = (int(draw.integers(side - 224)) for side in whole.size)
        crop: Image.Image = whole.crop((left, top, left + 224, top + 224))
        crop.save(home / "pictures" / f"{cycle:02d}-{number}.png")


def look(spark: SparkSession, home: Path, cycle: int, seconds: float, worker: float) -> Look:
    java = spark.sparkContext._jvm
    assert java is not None
    # The second one takes what the first has found to be unreachable through cleaners.
    for _ in range(2):
        java.System.gc()
        time.sleep(1)
    beans = java.java.lang.management.ManagementFactory
    # Now: the queries below leave garbage.
    heap = beans.getMemoryMXBean().getHeapMemoryUsage().getUsed() / _MEGABYTE
    files = [path for path in (home / "lake").rglob("*") if path.is_file()]
    log = "_delta_log"
    in_index, in_cache = _unneeded(spark, home)
    return Look(
        cycle=cycle,
        seconds=round(seconds, 1),
        heap=heap,
        driver=_own_memory(os.getpid()),
        worker=worker,
        data_files=sum(path.suffix == ".parquet" and log not in path.parts for path in files),
        log_files=sum(log in path.parts and not path.name.endswith(".crc") for path in files),
        unneeded_in_index=in_index,
        unneeded_in_cache=in_cache,
    )


def _unneeded(spark: SparkSession, home: Path) -> tuple[int, int]:
    """Count the files of the index and of the host's cache that no version in the tables needs."""
    lake, root, cache = Lake(spark, str(home / "lake"), "soak"), home / "lake/index", home / "cache"
    shards = lake.read(INDEX_SHARDS).select("path").collect()
    versions = lake.read(INDEX_VERSIONS).select("index_version").collect()
    folders = {root / shard.path for shard in shards}
    folders |= {root / version.index_version / QUERY_MAP_FOLDER for version in versions}
    copies = {folder.place(cache).name for _, folder in copied_folders(lake)}
    in_index = (
        path for path in root.glob("*/**/*") if path.is_file() and path.parent not in folders
    )
    # A copy is a folder with a lock and a stamp beside it; other files are reference vectors.
    in_cache = (path for path in cache.iterdir() if path.is_dir() or path.suffix in _BESIDE)
    return len(list(in_index)), sum(path.stem not in copies for path in in_cache)


def _own_memory(process: int) -> float:
    """Give the anonymous memory of a process, shared pages by their share: megabytes."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("Pss_Anon:"))
    return int(kilobytes) * 1024 / _MEGABYTE


def main() -> int:
    """Do the cycles; 1 when something grows."""
    texts = compose(FIRST + PROMPTS * (CYCLES - 1), seed=0)
    looks: list[Look] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings = settings_for(home)
        options = "-Xms1g -XX:+UseSerialGC"
        submit = f"--conf 'spark.driver.defaultJavaOptions={options}' pyspark-shell"
        os.environ["PYSPARK_SUBMIT_ARGS"] = submit
        spark = open_session(settings.spark)
        display = Display(Console(quiet=True))
        stages = (
            IngestPrompts(), CleanPrompts(), EmbedPrompts(), FindNearDuplicates(), BuildIndex(),
            EmbedImages(), PredictPrompts(),
        )  # fmt: skip
        for cycle in range(CYCLES):
            started = time.monotonic()
            feed(home, cycle, texts)
            run_stages(spark, settings, stages, display)
            # Now: a worker that idles for a minute ends.
            worker = max(map(_own_memory, python_workers(os.getpid())))
            if (cycle + 1) % MAINTAINED_EVERY == 0:
                run_stages(spark, settings, [MaintainLake()], display)
            looks.append(look(spark, home, cycle, time.monotonic() - started, worker))
            sys.stderr.write(f"{json.dumps(asdict(looks[-1]))}\n")
        spark.stop()
    return say(looks)


def say(looks: Sequence[Look]) -> int:
    """Show every cycle and the trends; 1 when something grows."""
    names = list(asdict(looks[0]))
    each_cycle = f"{FIRST:,} prompts, then {PROMPTS}, and {PICTURES} pictures a cycle"
    table = Table(title=f"{each_cycle}; memory in MB")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for each in looks:
        table.add_row(*(f"{value:,.1f}" if isinstance(value, float) else str(value)
                        for value in asdict(each).values()))  # fmt: skip
    settled = looks[SETTLED:]
    maintained = [each for each in settled if (each.cycle + 1) % MAINTAINED_EVERY == 0]
    trends = {name: _trend(settled, name) for name in MEMORY}
    trends |= {name: _trend(maintained, name) for name in names[5:] if name != "log_files"}
    console = Console(width=110)
    console.print(table)
    growth = Table(title="Growth a cycle, after the third")
    for heading in ("what", "slope", "95 % interval", "mean", "grows"):
        growth.add_column(heading, justify="right")
    for name, trend in trends.items():
        interval = f"{trend.low:.3f} to {trend.high:.3f}"
        growth.add_row(name.replace("_", " "), f"{trend.slope:.3f}", interval,
                       f"{trend.level:,.1f}", "yes" if trend.grows else "no")  # fmt: skip
    console.print(growth)
    said = {
        "benchmark": "soak",
        "cycles": len(looks),
        "trends": {n: {k: round(v, 4) for k, v in asdict(t).items()} for n, t in trends.items()},
        "log_files_a_cycle": round(looks[-1].log_files / len(looks), 1),
        "grows": [name for name, trend in trends.items() if trend.grows],
        "unneeded": sum(each.unneeded_in_index + each.unneeded_in_cache for each in maintained),
        "seconds": round(sum(each.seconds for each in looks), 1),
    }
    sys.stdout.write(json.dumps(said) + "\n")
    return 1 if said["grows"] or said["unneeded"] else 0


def _trend(looks: Sequence[Look], name: str) -> Trend:
    return Trend.of([each.cycle for each in looks], [getattr(each, name) for each in looks])


if __name__ == "__main__":
    sys.exit(main())
