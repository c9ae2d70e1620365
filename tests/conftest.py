"""One Spark session for the whole run, started when the first test asks for it."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock
from pyspark.sql import SparkSession
from rich.console import Console

from promptknn.lake import Lake
from promptknn.progress import Display
from promptknn.runner import run_stages
from promptknn.session import open_session
from promptknn.settings import Settings, SparkSettings
from promptknn.stage import Counts, Stage
from tests.site import SAID, Site
from tests.small import INTERPRETED, changed, small_settings
from tests.submission import QUICK_START
from tests.volume import make_volume

Run = Callable[..., list[Counts]]

# How long an example takes depends on the machine, and is no failure.
hypothesis.settings.register_profile(
    "any_machine",
    deadline=None,
    max_examples=50,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("any_machine")


# pytest's two processes take a file each: one makes the small run that many files read, the other
# meanwhile does what does not need it. What starts last should be short.
_FIRST = (
    "end_to_end/test_jobs.py", "training/test_fine_tune.py", "end_to_end/test_paper_settings.py",
    "training/test_loop.py", "cluster/", "cleaning/test_prompt_terms.py", "index/test_build.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order files so that no process waits, and both end together."""
    items.sort(key=lambda item: _place(item.path.as_posix()))


def _place(path: str) -> int:
    return next((place for place, part in enumerate(_FIRST) if part in path), len(_FIRST))


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A session on one core (pytest's other process has the other) with Delta."""
    home = tmp_path_factory.mktemp("spark")
    options = f"{QUICK_START} -XX:ReservedCodeCacheSize=512m -XX:+UseSerialGC"
    submit = f"--conf 'spark.driver.defaultJavaOptions={options}' pyspark-shell"
    os.environ["PYSPARK_SUBMIT_ARGS"] = submit
    session = open_session(
        SparkSettings(
            master="local[1]",
            application_name="promptknn-tests",
            conf={
                **INTERPRETED,
                # Plans of a few rows are made once; the real jobs' are adapted as they run.
                "spark.sql.adaptive.enabled": "false",
                # Over TCP each Python task waits 40 ms for a last packet. Jobs keep to TCP: Spark
                # leaves a socket behind for each session.
                "spark.python.unix.domain.socket.enabled": "true",
                "spark.driver.memory": "2g",
                "spark.sql.shuffle.partitions": "2",
                "spark.sql.warehouse.dir": str(home / "warehouse"),
                # A catalog that two threads may use; Derby's would lie in the working directory.
                "spark.sql.catalogImplementation": "in-memory",
                "spark.local.dir": str(home / "local"),
            },
        )
    )
    yield session
    session.stop()


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that takes files as a Unity Catalog Volume does."""
    make_volume(tmp_path / "volume", monkeypatch)
    return tmp_path / "volume"


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    """An empty lake in a folder."""
    return Lake(spark, str(tmp_path / "lake"), run_id="test-run")


@pytest.fixture(scope="session")
def run(spark: SparkSession) -> Run:
    """Run stages as a job does: run(settings, stage, ...) gives the counts of each."""

    def run_quietly(settings: Settings, *stages: Stage) -> list[Counts]:
        return run_stages(spark, settings, stages, Display(Console(quiet=True)))

    return run_quietly


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The small run, done once for all of pytest's processes: read it, and change nothing."""
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "small"
    with FileLock(f"{home}.lock"):
        return Site.of(home) if (home / SAID).exists() else Site.made(home)


@pytest.fixture(scope="session")
def built(site: Site) -> Settings:
    """The settings of the small run: read its tables, and change nothing."""
    return small_settings(site.home)


@pytest.fixture
def built_copy(built: Settings, tmp_path: Path) -> Settings:
    """A copy of the small run's lake, to be changed."""
    copy = tmp_path / "lake"
    shutil.copytree(built.lake, copy)
    return changed(built, lake=str(copy))
