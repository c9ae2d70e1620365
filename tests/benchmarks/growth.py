"""Does a prompt cost the same among a million as among a hundred thousand, and the driver no more?

10,000, 100,000 and 1,000,000 of the demo's prompts (or as many as PROMPTKNN_BENCH_SIZES says) go
through cleaning, near duplicates and the index; then prompts are predicted for a twentieth as many
images. Vectors are hashes of words, 384 dimensions: embedding is not measured. Each size is a
driver of its own, on a standalone cluster of two workers of one core, so that the driver's memory
holds no task's: its heap after a collection, looked at every few seconds (the cache of broadcasts,
which goes to the disk where it must, apart) and once more when a stage has ended, which is what it
holds for longer than a look, and the peak of its Python process. What the driver
holds at once is set by sizes, which the defaults put at 200,000 prompts; with
PROMPTKNN_BENCH_AT_ONCE=50000, 100,000 prompts fill them: what grows then is what grows with the
prompts. A plot of both goes to PROMPTKNN_BENCH_PLOT (growth.png in the temporary folder).
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from matplotlib.figure import Figure
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from rich.table import Table

from promptknn.arrow_vectors import to_arrow
from promptknn.cleaning.clean import CleanPrompts
from promptknn.console import wide_console
from promptknn.deduplication.find_near_duplicates import FindNearDuplicates
from promptknn.encoders.embed_prompts import EMBEDDED_SCHEMA, embed_texts
from promptknn.encoders.encoder import unit
from promptknn.encoders.models import Models
from promptknn.index.build import BuildIndex
from promptknn.lake import Lake
from promptknn.prediction.predict import PredictPrompts
from promptknn.session import FEW_QUERIES_KEPT, open_session
from promptknn.settings import Settings
from promptknn.sources.demo import compose
from promptknn.sources.ingest import IngestPrompts
from promptknn.stage import Context, Stage
from promptknn.tables import IMAGE_EMBEDDINGS, PROMPT_EMBEDDINGS, PROMPTS
from promptknn.waves import Missing, plan_waves
from tests.cluster.standalone import standalone
from tests.hashing import DIM, HashingEncoder, HashingModels
from tests.submission import ROOT

_SIZES = os.environ.get("PROMPTKNN_BENCH_SIZES", "10000,100000,1000000")
SIZES = sorted(int(size) for size in _SIZES.split(","))
PLOT = Path(os.environ.get("PROMPTKNN_BENCH_PLOT", Path(tempfile.gettempdir()) / "growth.png"))
PROMPTS_AN_IMAGE, WORKERS = 20, 2
# Prompts that the driver holds at once: a block of near duplicates, a sample to train lists on.
AT_ONCE = int(os.environ.get("PROMPTKNN_BENCH_AT_ONCE", "200000"))
NOISE = 0.5
_MEGABYTE = 1_000_000
# Often enough to catch a block on its way through the heap among 100,000 prompts too.
_SECONDS_BETWEEN_LOOKS = 2.0
_CONF = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "1g",
    "spark.executor.memory": "2g",
    # The cluster's helper starts quickly; here executors work for minutes.
    "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=4",
    "spark.executorEnv.PYTHONPATH": f"{ROOT / 'lib'}{os.pathsep}{ROOT}",
    "spark.sql.shuffle.partitions": "8",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.ui.enabled": "false",
    # A million prompts are more queries.
    **FEW_QUERIES_KEPT,
}


@dataclass(frozen=True)
class Measured:
    """One stage: seconds; those of the driver's own Python; megabytes of the driver at most.

    `held` is what the heap still holds when the stage has ended.
    """

    stage: str
    seconds: float
    driver_seconds: float
    heap: float
    held: float
    cached: float
    python: float
    message: str


class Watch:
    """Looks at the driver's memory while a stage runs."""

    def __init__(self, spark: SparkSession) -> None:
        java = spark.sparkContext._jvm
        assert java is not None
        self._java, self._beans = java, java.java.lang.management.ManagementFactory
        self._stop = threading.Event()
        self.heap = self.held = self.cached = 0.0
        # Forgets the peak so far.
        Path("/proc/self/clear_refs").write_text("5")

    def look(self) -> None:
        # Before: the collection itself lets Spark forget broadcasts that nothing needs.
        cached = self._blocks()
        self._java.System.gc()
        # As the collection left it, not what was allocated until Python asks.
        after = (pool.getCollectionUsage() for pool in self._beans.getMemoryPoolMXBeans())
        used = sum(usage.getUsed() for usage in after if usage is not None)
        self.held = (used - cached) / _MEGABYTE
        self.heap = max(self.heap, self.held)
        self.cached = max(self.cached, cached / _MEGABYTE)

    def _blocks(self) -> int:
        """Give the bytes of broadcast blocks: they go to the disk where the heap is needed."""
        return int(self._java.org.apache.spark.SparkEnv.get().memoryManager().storageMemoryUsed())

    def __enter__(self) -> "Watch":
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.look()

    def _run(self) -> None:
        while not self._stop.wait(_SECONDS_BETWEEN_LOOKS):
            self.look()

    @property
    def python(self) -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
        return int(kilobytes) * 1024 / _MEGABYTE


def main() -> None:
    if len(sys.argv) > 1:
        home = Path(sys.argv[1])
        stages = [asdict(each) for each in drive(home)]
        sys.stdout.write(json.dumps({"stages": stages, "bytes": _bytes_of(home)}) + "\n")
        return
    # Loads libraries of models, which are not to be found in the driver's memory.
    from tests.checkpoints import tiny_clip

    found: dict[int, list[Measured]] = {}
    stored: dict[int, dict[str, int]] = {}
    texts = compose(max(SIZES), seed=0)
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="promptknn-growth-") as folder:
            home = Path(folder)
            # It has a text tower of its own, so that images need no class profile.
            tiny_clip(home / "clip", seed=0)
            (home / "prompts.txt").write_text("\n".join(texts[:size]), encoding="utf-8")
            with standalone(home) as master:
                (home / "master").write_text(master)
                found[size], stored[size] = _in_a_process(home)
        wide_console().print(f"{size:,}: {found[size]}")
    _say(found, stored)


def _in_a_process(home: Path) -> tuple[list[Measured], dict[str, int]]:
    command = [sys.executable, "-m", "tests.benchmarks.growth", str(home)]
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable}
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, text=True, check=True)
    said = json.loads(done.stdout.splitlines()[-1])
    return [Measured(**each) for each in said["stages"]], said["bytes"]


def _bytes_of(home: Path) -> dict[str, int]:
    """Give the bytes of each table, and of the index."""
    folders = [folder for folder in (home / "lake").iterdir() if folder.is_dir()]
    return {
        folder.name: sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        for folder in folders
    }


def drive(home: Path) -> list[Measured]:
    """Take the prompts of a folder through the stages, as one driver."""
    settings = Settings.model_validate({
        "lake": str(home / "lake"),
        "sources": [{"kind": "file", "path": str(home / "prompts.txt")}],
        "clip": {"model": f"local-dir:{home / 'clip'}"},
        "index": {"cache": str(home / "cache"), "training_rows": AT_ONCE},
        "deduplication": {"prompts_per_block": AT_ONCE},
        "spark": {
            "application_name": "growth", "master": (home / "master").read_text(), "conf": _CONF,
        },
    })  # fmt: skip
    spark = open_session(settings.spark)
    lake = Lake(spark, settings.lake, "benchmark")
    context = Context(spark, lake, settings, lambda done, total: None)
    models = HashingModels.instead_of(Models.of(settings))
    measured = [_measured(context, stage) for stage in (IngestPrompts(), CleanPrompts())]
    embed(lake, models)
    measured += [_measured(context, s) for s in (FindNearDuplicates(), BuildIndex())]
    measured.append(_measured(context, PredictPrompts()))
    spark.stop()
    return measured


def _measured(context: Context, stage: Stage) -> Measured:
    context.lake.create(stage.outputs)
    with Watch(context.spark) as watch:
        started, computed = time.perf_counter(), time.process_time()
        counts = stage.run(context)
        seconds, computed = time.perf_counter() - started, time.process_time() - computed
    measured = Measured(
        stage.name,
        seconds,
        computed,
        watch.heap,
        watch.held,
        watch.cached,
        watch.python,
        counts.message,
    )
    sys.stderr.write(f"{measured}\n")
    return measured


def embed(lake: Lake, models: HashingModels) -> None:
    """Write the vectors of prompts and of images, wave by wave as the stages do."""
    lake.create([PROMPT_EMBEDDINGS, IMAGE_EMBEDDINGS])
    prompts = lake.read(PROMPTS).select("prompt_id", "text")
    missing, sizes = Missing.of(prompts, "prompt_id"), Settings().embedding
    rows = missing.rows
    for wave in plan_waves(missing, sizes.prompts_per_wave):
        some = prompts.where(wave.condition("prompt_id"))
        tasks = -(-min(rows, sizes.prompts_per_wave) // sizes.prompts_per_task)
        embedded = some.repartition(tasks).mapInArrow(embed_texts(models), EMBEDDED_SCHEMA)
        lake.append(PROMPT_EMBEDDINGS, _named(embedded, models))
    images = prompts.where(F.pmod(F.xxhash64("prompt_id"), F.lit(PROMPTS_AN_IMAGE)) == 0)
    of_images = images.repartition(-(-rows // (PROMPTS_AN_IMAGE * sizes.images_per_wave)) * 2)
    lake.append(
        IMAGE_EMBEDDINGS,
        of_images.mapInArrow(_pictures, "image_id string, embedding array<float>")
        .withColumn("clip_model", F.lit(models.clip_identity))
        .withColumn("image_uri", F.col("image_id"))
        .withColumn("modified_at", F.current_timestamp())
        .withColumns({name: F.lit(1) for name in ("image_bytes", "width", "height")})
        .withColumn("dim", F.lit(DIM))
        .withColumn("embedded_at", F.current_timestamp()),
    )


def _pictures(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Make vectors of pictures that show prompts, more or less."""
    for batch in batches:
        vectors = HashingEncoder().encode_texts(batch.column("text").to_pylist())
        ids = batch.column("prompt_id").to_pylist()
        draw = np.random.default_rng(int(ids[0][:8], 16))
        noise = unit(draw.standard_normal(vectors.shape, dtype=np.float32))
        columns = [pa.array([name * 2 for name in ids]), to_arrow(unit(vectors + NOISE * noise))]
        yield pa.RecordBatch.from_arrays(columns, ["image_id", "embedding"])


def _named(embedded: DataFrame, models: Models) -> DataFrame:
    return (
        embedded.withColumn("clip_model", F.lit(models.clip_identity))
        .withColumn("sentence_model", F.lit(models.sentence_identity))
        .withColumn("embedded_at", F.current_timestamp())
    )


def _say(found: Mapping[int, list[Measured]], stored: Mapping[int, Mapping[str, int]]) -> None:
    stages = [each.stage for each in found[SIZES[0]]]
    table = Table(title=f"Microseconds a prompt, an image for {PROMPTS_AN_IMAGE}; driver in MB")
    for heading in ("prompts", *stages, "in all", "heap", "held", "cache", "Python"):
        table.add_column(heading.replace("_", " "), justify="right")
    costs = {size: 1e6 * sum(s.seconds for s in stages) / size for size, stages in found.items()}
    heap = {size: max(stage.heap for stage in stages) for size, stages in found.items()}
    held = {size: max(stage.held for stage in stages) for size, stages in found.items()}
    cached = {size: max(stage.cached for stage in stages) for size, stages in found.items()}
    python = {size: max(stage.python for stage in stages) for size, stages in found.items()}
    for size, measured in found.items():
        each = [1e6 * stage.seconds / size for stage in measured]
        numbers = (*each, costs[size], heap[size], held[size], cached[size], python[size])
        table.add_row(f"{size:,}", *(f"{number:,.0f}" for number in numbers))
    wide_console(stderr=False).print(table)
    _plot(costs, heap, python)
    wide_console(stderr=False).print(f"Plot: {PLOT}")
    *_, before, last = (0, *SIZES)
    said = {
        f"{name}_ratio": {f"{last}/{before}": figures[last] / figures[before]}
        for name, figures in (("cost", costs), ("heap", heap), ("held", held), ("python", python))
        if before
    }
    each = {size: {s.stage: s for s in found[size]} for size in SIZES}
    said |= {
        "seconds": {n: {s: round(m.seconds, 1) for s, m in each[n].items()} for n in SIZES},
        "driver_seconds": {
            n: {s: round(m.driver_seconds, 1) for s, m in each[n].items()} for n in SIZES
        },
        "bytes": stored,
        "workers": WORKERS, "dim": DIM, "prompts_an_image": PROMPTS_AN_IMAGE,
    }  # fmt: skip
    sys.stdout.write(json.dumps(said) + "\n")


def _plot(costs: Mapping[int, float], *memory: Mapping[int, float]) -> None:
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(list(costs), list(costs.values()), marker="o")
    left.set(ylabel="microseconds a prompt")
    for name, held in zip(("JVM heap after a collection", "Python, resident"), memory, strict=True):
        right.plot(list(held), list(held.values()), marker="o", label=name)
    right.set(ylabel="driver's peak, MB")
    right.legend()
    for axes in (left, right):
        axes.set(xscale="log", xlabel="prompts", ylim=(0, None))
        axes.grid(alpha=0.3)
    figure.savefig(PLOT, dpi=120)


if __name__ == "__main__":
    main()
