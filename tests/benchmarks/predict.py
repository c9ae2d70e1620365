"""Does a search share one copy of the index among workers, and what does Spark cost predictions?

An index of more than 2 GB (seeded vectors around a thousand centres, through the real writer, with
the real factory) is searched in two Python workers for 4,096 seeded images. The kernel's count of
every mapping says whether they share it: the sum of their shares (Pss) of the shards' files must be
at most 1.1 times the files, and what they hold for themselves may grow by a tenth of the files over
the same search of an index of 2,000 prompts. The plan of the search has no Exchange, and a
partitioned search of two groups of shards must give the same answers (its rate is told). These four
decide the exit code.

Then photographs (PROMPTKNN_BENCH_IMAGES JPEG files, crops of scikit-image's) go through the stages
embed_images and predict_prompts, beside a bare loop in this process that decodes and encodes a
picture a core, then searches: half of them before the stages, half after, for the machine has other
work. Neither pays for the start of Spark, for loading the model or for the first fetch of the
index: eight pictures went through both before.
"""

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from pyspark.sql import DataFrame, SparkSession
from rich.table import Table

from promptknn.arrow_vectors import to_arrow
from promptknn.console import wide_console
from promptknn.encoders.encoder import Vectors, unit
from promptknn.encoders.models import Models
from promptknn.images.decoding import decode
from promptknn.images.embed_images import EmbedImages
from promptknn.index.active import ActiveIndex, active_index
from promptknn.lake import Lake
from promptknn.prediction.predict import PredictPrompts, search
from promptknn.session import open_session
from promptknn.settings import Settings
from promptknn.stage import Context, Stage
from promptknn.tables import IMAGE_EMBEDDINGS
from tests.memory import Memory, memory_of
from tests.photographs import photograph
from tests.processes import python_workers
from tests.seeded_index import CLASSES, write_index
from tests.small import changed
from tests.vectors import assert_same_predictions

IMAGES = int(os.environ.get("PROMPTKNN_BENCH_IMAGES", "1200"))
PROMPTS, SHARDS, FEW_PROMPTS = 1_700_000, 4, 2_000
LARGE = 2_000_000_000
MOST_SHARED, MOST_PRIVATE = 1.1, 0.1
QUERIES, WARMING_UP = 4_096, 8
_PHOTOGRAPHS = ("chelsea", "coffee", "rocket", "astronaut", "hubble_deep_field", "retina")
_SIDE = 512
_IMAGES_A_SEARCH = 256
_SECONDS_BETWEEN_LOOKS = 0.2
_MEGABYTE = 1e6


def settings_for(home: Path, lake: str) -> Settings:
    return Settings.model_validate({
        "lake": str(home / lake),
        "images": {"paths": [str(home / "pictures")]},
        # Fewer lists than the default trains, for the time it takes.
        "index": {"cache": str(home / "cache"), "training_rows": 40_000},
        "spark": {"application_name": "predict"},
    })  # fmt: skip


def seeded_images(spark: SparkSession) -> DataFrame:
    """Make images of a few classes each, for two tasks."""
    chances = np.random.default_rng(4).exponential(size=(QUERIES, CLASSES)).astype(np.float32) ** 4
    ids = [f"{number:064x}" for number in range(QUERIES)]
    columns = {"image_id": ids, "image_uri": ids, "embedding": to_arrow(unit(np.sqrt(chances)))}
    return spark.createDataFrame(pa.table(columns)).repartition(2).cache()


def held(run: Callable[[], object], cache: Path) -> tuple[Memory, int]:
    """Give the most that the Python workers hold while something runs, and how many they are."""
    looks: list[tuple[Memory, int]] = []
    stop = threading.Event()

    def watch() -> None:
        last = False
        while not last:
            # Once more after the end: they live on, with the index open.
            last = stop.wait(_SECONDS_BETWEEN_LOOKS)
            each = [memory_of(worker, cache) for worker in python_workers(os.getpid())]
            found = [memory for memory in each if memory.mapped]
            looks.append((sum(found, Memory()), len(found)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        run()
    finally:
        stop.set()
        watcher.join()
    mapped = max(memory.mapped for memory, _ in looks)
    private = max(memory.private for memory, _ in looks)
    return Memory(mapped, private), max(workers for _, workers in looks)


def write_pictures(folder: Path, count: int, seed: int) -> list[Path]:
    """Write crops of photographs as JPEG files."""
    folder.mkdir(parents=True)
    whole = [photograph(name) for name in _PHOTOGRAPHS]
    draw = np.random.default_rng(seed)
    files = [folder / f"{number:05d}.jpg" for number in range(count)]
    for number, file in enumerate(files):
        picture = whole[number % len(whole)]
        side = int(draw.integers(min(picture.size) // 2, min(picture.size)))
        left, top = (int(draw.integers(length - side + 1)) for length in picture.size)
        crop = picture.crop((left, top, left + side, top + side))
        crop.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC).save(file, quality=90)
    return files


def bare_loop(files: list[Path], index: ActiveIndex, settings: Settings) -> float:
    """Decode and encode a picture a core, then search, in this process; gives seconds."""
    encoder, opened = Models.of(settings).clip_encoder(), index.handle.open()
    megapixels, k = settings.images.maximum_megapixels, settings.prediction.k

    def profile(file: Path) -> Vectors:
        return encoder.encode_images([decode(file.read_bytes(), megapixels)])

    # Two threads for one picture would wait for each other.
    with ThreadPoolExecutor(
        os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)
    ) as cores:
        started = time.perf_counter()
        profiles = np.concatenate(list(cores.map(profile, files)))
    for start in range(0, len(files), _IMAGES_A_SEARCH):
        opened.search(profiles[start : start + _IMAGES_A_SEARCH], k)
    return time.perf_counter() - started


def in_groups(context: Context, size: int) -> ActiveIndex:
    """Give the index as two groups of shards."""
    changes = {"index__search": "partitioned", "index__group_bytes": size // 2 + 1_000_000}
    settings = changed(context.settings, **changes)
    index = active_index(context.lake, settings, Models.of(settings))
    assert len(index.groups) == 2
    return index


def partitioned_differs(images: DataFrame, index: ActiveIndex, settings: Settings) -> str:
    """Search some images by groups of shards and by all at once; says where they differ."""
    models, some = Models.of(settings), images.orderBy("image_id").limit(_IMAGES_A_SEARCH)
    parts, expected = (
        search(some, _IMAGES_A_SEARCH, each, settings.prediction, models)
        for each in (index, replace(index, groups=()))
    )
    try:
        assert_same_predictions(parts, expected)
    except AssertionError as difference:
        return str(difference)
    return ""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="promptknn-predict-") as folder:
        sys.exit(measure(Path(folder)))


def measure(home: Path) -> int:
    few, many = settings_for(home, "few"), settings_for(home, "many")
    models = Models.of(many)
    spark = open_session(many.spark)
    lakes = {each.lake: Lake(spark, each.lake, "benchmark") for each in (few, many)}
    write_index(lakes[few.lake], few, FEW_PROMPTS, 1)
    size = write_index(lakes[many.lake], many, PROMPTS, SHARDS)
    small, large = (active_index(lakes[each.lake], each, models) for each in (few, many))
    images = seeded_images(spark)
    images.count()

    def searched(index: ActiveIndex) -> tuple[Memory, int]:
        found = search(images, QUERIES, index, many.prediction, models)
        return held(lambda: found.write.format("noop").mode("overwrite").save(), home / "cache")

    searched(small)
    before, _ = searched(small)
    searched(large)
    after, workers = searched(large)
    context = Context(spark, lakes[many.lake], many, lambda done, total: None)
    groups, rates = in_groups(context, size), dict[str, float]()
    for name, index in (("replicated", large), ("partitioned", groups)):
        found = search(images, QUERIES, index, many.prediction, models)
        # Once to open it.
        for _ in range(2):
            started = time.perf_counter()
            found.write.format("noop").mode("overwrite").save()
            rates[name] = QUERIES / (time.perf_counter() - started)
    warm = changed(many, images__paths=[str(home / "warm")], embedding__images_per_task=1)
    write_pictures(home / "warm", WARMING_UP, seed=0)
    for stage in (EmbedImages(), PredictPrompts()):
        context.lake.create(stage.outputs)
        stage.run(Context(spark, context.lake, warm, context.progress))
    files = write_pictures(home / "pictures", IMAGES, seed=1)
    bare_loop(files[:WARMING_UP], large, many)
    loop = bare_loop(files[::2], large, many)
    stages = {stage.name: _timed(stage, context) for stage in (EmbedImages(), PredictPrompts())}
    loop += bare_loop(files[1::2], large, many)
    embedded = context.lake.read(IMAGE_EMBEDDINGS)
    found = search(embedded, IMAGES, large, many.prediction, models)
    plan = found._jdf.queryExecution().executedPlan().toString()
    differs = partitioned_differs(embedded, groups, many)
    spark.stop()
    seconds = {**stages, "both stages": sum(stages.values()), "bare loop": loop}
    said = {
        "shard_bytes": size,
        "workers": workers,
        "shared_ratio": after.mapped / size,
        "private_growth_ratio": (after.private - before.private) / size,
        "exchange": "Exchange" in plan,
        "partitioned_differs": differs,
        "partitioned_rate_ratio": rates["partitioned"] / rates["replicated"],
        "searched_per_second": {name: round(rate) for name, rate in rates.items()},
        "images_per_second_ratio": loop / seconds["both stages"],
        "seconds": {name: round(took, 1) for name, took in seconds.items()},
    }
    _print(said, seconds, before, after)
    sys.stdout.write(json.dumps(said) + "\n")
    holds = (
        size >= LARGE
        and workers == 2
        and after.mapped <= MOST_SHARED * size
        and after.private - before.private <= MOST_PRIVATE * size
        and not said["exchange"]
        and not differs
    )
    return 0 if holds else 1


def _timed(stage: Stage, context: Context) -> float:
    started = time.perf_counter()
    counts = stage.run(context)
    assert counts.rows_in == IMAGES, counts
    return time.perf_counter() - started


def _print(said: Mapping[str, object], seconds: Mapping[str, float], *memory: Memory) -> None:
    console = wide_console(stderr=False)
    table = Table(title=f"Two Python workers, {said['shard_bytes']:,} bytes of shards; MB")
    for heading in ("index", "shards' mappings (Pss)", "private"):
        table.add_column(heading, justify="right")
    for name, held_by_all in zip((f"{FEW_PROMPTS:,}", f"{PROMPTS:,}"), memory, strict=True):
        numbers = (held_by_all.mapped, held_by_all.private)
        table.add_row(f"{name} prompts", *(f"{number / _MEGABYTE:,.0f}" for number in numbers))
    console.print(table)
    table = Table(title=f"{IMAGES:,} images, {os.cpu_count()} cores")
    for heading in ("what", "seconds", "images/s"):
        table.add_column(heading, justify="right")
    for name, took in seconds.items():
        table.add_row(name.replace("_", " "), f"{took:.1f}", f"{IMAGES / took:,.1f}")
    console.print(table)


if __name__ == "__main__":
    main()
