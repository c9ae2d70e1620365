"""Is every fault survived: kills, two jobs at once, damaged files, full disks?

A small lake is made undisturbed. Then the same run is killed at seeded moments of each stage: its
driver, its Python workers, and, on a standalone cluster, its executors. After one more run every
table must equal the undisturbed one's, row for row, and no temporary file may be left.

PROMPTKNN_BENCH_FAULTS names some of the groups, separated by commas: kills, executors, two, shards,
disks.
"""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.table import Table

from promptknn.console import wide_console
from promptknn.errors import PromptKnnError
from promptknn.prediction.prompt_index import PromptIndex
from tests.cluster.standalone import standalone
from tests.lakes import difference, unfinished_files
from tests.processes import executors, kill, kill_tree, python_workers, wait_until
from tests.small import CACHE, INTERPRETED, small_tree
from tests.submission import ROOT, started, write_config

WHOLE = ROOT / "tests" / "cluster" / "whole.py"
PROMPTS, PROMPTS_A_WAVE, K = 120, 60, 20
BEFORE = {
    "ingest_prompts": None, "clean_prompts": "ingest_prompts", "embed_prompts": "clean_prompts",
    "find_near_duplicates": "embed_prompts", "build_index": "find_near_duplicates",
    "embed_images": "build_index", "predict_prompts": "embed_images",
}  # fmt: skip
PYTHON_STAGES = ("embed_prompts", "build_index", "embed_images")
SPARK = {
    **INTERPRETED,
    "spark.sql.shuffle.partitions": "2", "spark.databricks.delta.snapshotPartitions": "1",
}  # fmt: skip
SECONDS = 300.0
_LINE = re.compile(r"^(\w+): .*\((\d+\.\d) s\)", re.MULTILINE)
_DRAW = random.Random(7)


@dataclass
class Fault:
    """One fault, and what came of it.

    Attributes:
        kind: what was done.
        place: the stage, or the file.
        survived: whether everything was right in the end.
        lost: rows missing in the end.
        doubled: rows of a key beyond the first.
        seconds: until the fault was made good.
        note: what was said, or went wrong.
    """

    kind: str
    place: str
    survived: bool = False
    lost: int = 0
    doubled: int = 0
    seconds: float = 0.0
    note: str = ""


@dataclass
class Site:
    """A lake of its own, with the settings that name it; the cache is shared by all.

    Attributes:
        home: of the settings, and of what jobs say.
        cache: of every host, which is one.
        changes: settings, by section.
        disk: holds the lake, where that is not `home`.
    """

    home: Path
    cache: Path
    changes: dict[str, dict[str, object]] = field(default_factory=dict)
    disk: Path | None = None

    @property
    def lake(self) -> Path:
        return (self.disk or self.home) / "lake"

    def config(self, prompts: int = PROMPTS) -> Path:
        self.home.mkdir(parents=True, exist_ok=True)
        tree: dict[str, object] = small_tree(self.disk or self.home)
        tree["sources"] = [{"kind": "demo", "prompts": prompts}]
        tree["embedding"] = {"prompts_per_wave": PROMPTS_A_WAVE}
        tree["prediction"] = {"k": K}
        tree["spark"] = {"conf": SPARK}
        tree["index"] = {"cache": str(self.cache), "shards": 2}
        for section, keys in self.changes.items():
            there = tree.get(section)
            tree[section] = {**(there if isinstance(there, dict) else {}), **keys}
        return write_config(self.home / f"{prompts}.yaml", tree)

    def run(self, job: str | Path = WHOLE, *options: str, prompts: int = PROMPTS) -> "Ended":
        """Run a job to its end."""
        begun = time.monotonic()
        with started(job, self.config(prompts), *options) as process:
            code = process.wait(SECONDS)
        return Ended(code, self.said(prompts), time.monotonic() - begun)

    def said(self, prompts: int = PROMPTS) -> str:
        file = self.home / f"{prompts}.yaml.said"
        return file.read_text() if file.exists() else ""

    def answers(self, cache: Path | None = None) -> list[str]:
        """Predict without Spark, with the index that is active."""
        overrides = [f"index.cache={cache}"] if cache else []
        index = PromptIndex.of_config(self.config(), overrides)
        pictures = index.settings.images.paths
        return [prediction.predicted_prompt for prediction in index.predict(pictures)]


@dataclass(frozen=True)
class Ended:
    """A job that has ended."""

    code: int
    said: str
    seconds: float

    @property
    def sentence(self) -> str:
        """The one sentence of a failure; nothing where there is none, or more than one."""
        lines = [line for line in self.said.splitlines() if line.startswith("promptknn:")]
        return lines[0] if len(lines) == 1 and "Traceback" not in self.said else ""


def main() -> None:
    console = wide_console()
    wanted = os.environ.get("PROMPTKNN_BENCH_FAULTS", "kills,executors,two,shards,disks").split(",")
    with tempfile.TemporaryDirectory(prefix="promptknn-faults-") as folder:
        home = Path(folder)
        (home / "cache").mkdir()
        for file in CACHE.glob("reference-*.npy"):
            shutil.copy(file, home / "cache")
        calm = Site(home / "calm", home / "cache")
        ended = calm.run()
        assert ended.code == 0, ended.said
        durations = {name: float(seconds) for name, seconds in _LINE.findall(ended.said)}
        console.print(f"undisturbed: {ended.seconds:.0f} s, {durations}")
        groups: dict[str, Callable[[], Iterator[Fault]]] = {
            "kills": lambda: _kills(home, calm, durations),
            "executors": lambda: _executors(home, calm, durations),
            "two": lambda: _two_at_once(home, calm),
            "shards": lambda: _shards(calm),
            "disks": lambda: _disks(home, calm),
        }
        faults = []
        for name in wanted:
            for fault in groups[name]():
                console.print(f"{fault.kind}, {fault.place}: {fault}")
                faults.append(fault)
    _print(faults)
    sys.exit(0 if all(fault.survived for fault in faults) else 1)


def _kills(home: Path, calm: Site, durations: dict[str, float]) -> Iterator[Fault]:
    """Kill run after run of one lake, each a stage later, until one is left alone."""
    site = Site(home / "killed", home / "cache")
    faults: list[Fault] = []
    plan = [("driver", stage) for stage in BEFORE]
    plan += [("Python worker", stage) for stage in PYTHON_STAGES]
    for kind, stage in sorted(plan, key=lambda each: list(BEFORE).index(each[1])):
        fault = Fault(f"{kind} killed", stage)
        with started(WHOLE, site.config()) as process:
            _wait_for_stage(site, stage)
            time.sleep(_DRAW.uniform(0, 0.8) * durations[stage])
            if kind == "driver":
                fault.note = f"while {_stages_done(site)} stages were done"
                kill_tree(process.pid)
            else:
                fault.note = _kill_workers(site, process)
        faults.append(fault)
    ended = site.run()
    found = difference(site.lake, calm.lake)
    left = unfinished_files(site.lake, home / "cache")
    for fault in faults:
        fault.survived = ended.code == 0 and not found and not left and fault.note != ""
        fault.seconds = ended.seconds
        fault.lost, fault.doubled = found.lost, found.doubled
        if not fault.survived:
            fault.note += f" {ended.said[-500:] if ended.code else ''} {found} {left}"
        yield fault


def _kill_workers(site: Site, process: subprocess.Popen[str]) -> str:
    """Kill Python workers until the job ends, and give its sentence."""
    end = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < end:
        kill(python_workers(process.pid))
        time.sleep(0.2)
    ended = Ended(process.wait(1), site.said(), 0.0)
    return ended.sentence if ended.code else ""


def _executors(home: Path, calm: Site, durations: dict[str, float]) -> Iterator[Fault]:
    """Kill an executor in each stage of one run; Spark starts another and goes on."""
    faults = [Fault("executor killed", stage) for stage in PYTHON_STAGES]
    place = home / "cluster"
    place.mkdir()
    with standalone(place) as master:
        conf = {**SPARK, "spark.driver.host": "127.0.0.1", "spark.executor.memory": "1g"}
        changes: dict[str, dict[str, object]] = {"spark": {"master": master, "conf": conf}}
        site = Site(home / "clustered", home / "cache", changes)
        begun = time.monotonic()
        with started(WHOLE, site.config()) as process:
            for fault in faults:
                _wait_for_stage(site, fault.place)
                time.sleep(_DRAW.uniform(0, 0.8) * durations[fault.place])
                found = executors(os.getpid())
                kill(found[:1])
                fault.note = f"one of {len(found)} executors"
            code = process.wait(SECONDS)
        ended = Ended(code, site.said(), time.monotonic() - begun)
        if code:
            ended = site.run()
    found = difference(site.lake, calm.lake)
    left = unfinished_files(site.lake, home / "cache")
    for fault in faults:
        fault.survived = ended.code == 0 and not found and not left
        fault.seconds, fault.lost, fault.doubled = ended.seconds, found.lost, found.doubled
        fault.note += "; the same run went on" if code == 0 else f"; run again: {ended.sentence}"
        if not fault.survived:
            fault.note += f" {found} {left}"
        yield fault


def _two_at_once(home: Path, calm: Site) -> Iterator[Fault]:
    site = Site(home / "twice", home / "cache")
    config = site.config()
    other = config.with_name("other.yaml")
    shutil.copy(config, other)
    begun = time.monotonic()
    with started(WHOLE, config) as first, started(WHOLE, other) as second:
        codes = [first.wait(SECONDS), second.wait(SECONDS)]
    said = [config.with_name(f"{file.name}.said").read_text() for file in (config, other)]
    ends = [Ended(code, text, 0.0) for code, text in zip(codes, said, strict=True)]
    told = all(end.code == 0 or "Another job is writing" in end.sentence for end in ends)
    found = difference(site.lake, calm.lake)
    left = unfinished_files(site.lake, home / "cache")
    yield Fault(
        "two at once", "every stage", told and 0 in codes and not found and not left,
        found.lost, found.doubled, time.monotonic() - begun,
        "; ".join(end.sentence or f"exit {end.code}" for end in ends) + f" {found}" * bool(found),
    )  # fmt: skip


def _shards(calm: Site) -> Iterator[Fault]:
    """Damage files of the active index: each is refused by its name, and the cure works."""
    before, cache = calm.answers(), calm.home / "fresh cache"
    files = sorted((calm.lake / "index").glob("*/shard-00000/*"))
    damages: dict[str, Callable[[Path], object]] = {
        "altered": lambda file: file.write_bytes(file.read_bytes()[:-1] + b"\xff"),
        "missing": lambda file: file.unlink(),
        "cut": lambda file: os.truncate(file, file.stat().st_size // 2),
    }
    for (kind, damage), file in zip(damages.items(), files, strict=True):
        whole = file.read_bytes()
        damage(file)
        shutil.rmtree(cache, ignore_errors=True)
        fault = Fault(f"shard file {kind}", file.name)
        try:
            calm.answers(cache)
        except PromptKnnError as error:
            fault.survived = file.name in str(error) and "jobs/build_index.py" in str(error)
            fault.note = str(error)
        if kind != "cut":  # which the jobs shall find
            file.write_bytes(whole)
        yield fault
    fresh = ("--set", f"index.cache={cache}", "--set", "prediction.repredict=true")
    again = ("--set", "prediction.w1=0.9")
    refused = calm.run("predict_prompts", *fresh, *again)
    repaired = calm.run("build_index", "--only")
    well = calm.run("predict_prompts", *fresh, *again)
    yield Fault(
        "shard file cut", "predict, build_index, predict",
        (refused.code, repaired.code, well.code) == (2, 0, 0)
        and "jobs/build_index.py" in refused.sentence
        and calm.answers(cache) == before,
        seconds=repaired.seconds, note=refused.sentence,
    )  # fmt: skip


def _disks(home: Path, calm: Site) -> Iterator[Fault]:
    before = calm.answers()
    with _small_disk(home / "small disk", megabytes=1) as disk:
        ended = calm.run(
            "predict_prompts", "--set", f"index.cache={disk}", "--set", "prediction.w1=0.8"
        )
        yield Fault(
            "disk full", "index.cache",
            ended.code != 0 and "index.cache" in ended.sentence and calm.answers() == before,
            note=ended.sentence,
        )  # fmt: skip
    with _small_disk(home / "lake disk", megabytes=40) as disk:
        site = Site(home / "on a small disk", home / "cache", disk=disk)
        shutil.copytree(calm.lake, site.lake)
        filler = disk / "filler"
        free = shutil.disk_usage(disk).free
        filler.write_bytes(bytes(free - 300_000))
        refused = site.run("build_index", prompts=PROMPTS * 2)
        served = site.answers()
        filler.unlink()
        begun = time.monotonic()
        ended = site.run("build_index", prompts=PROMPTS * 2)
        left = unfinished_files(site.lake)
        yield Fault(
            "disk full", "lake and index",
            refused.code != 0 and "full" in refused.sentence and served == before
            and ended.code == 0 and not left,
            seconds=time.monotonic() - begun, note=refused.sentence or refused.said[-500:],
        )  # fmt: skip


@contextmanager
def _small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    place.mkdir(parents=True)
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    subprocess.run(["mount", *options], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _wait_for_stage(site: Site, stage: str) -> None:
    before = BEFORE[stage]
    raw = site.lake / "raw_prompts" / "_delta_log"

    def begun() -> bool:
        return raw.is_dir() if before is None else f"{before}: " in _done(site)

    assert wait_until(begun, SECONDS), site.said()


def _done(site: Site) -> str:
    return "\n".join(found.group() for found in _LINE.finditer(site.said()))


def _stages_done(site: Site) -> int:
    return len(_LINE.findall(site.said()))


def _print(faults: list[Fault]) -> None:
    table = Table(title=f"{PROMPTS} prompts, 3 photographs")
    for heading in ("fault", "where", "survived", "rows lost", "rows doubled", "seconds"):
        table.add_column(heading)
    for fault in faults:
        survived = "yes" if fault.survived else "NO"
        numbers = (f"{fault.lost}", f"{fault.doubled}", f"{fault.seconds:.1f}")
        table.add_row(fault.kind, fault.place, survived, *numbers)
    wide_console(stderr=False).print(table)
    said = {
        "tried": len(faults),
        "survived": sum(fault.survived for fault in faults),
        "rows_lost": sum(fault.lost for fault in faults),
        "rows_doubled": sum(fault.doubled for fault in faults),
        "longest_recovery_seconds": round(max(fault.seconds for fault in faults), 1),
        "failed": [asdict(fault) for fault in faults if not fault.survived],
    }
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
