"""Running the real jobs: with the venv's own spark-submit, or in a session that is active."""

import io
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import yaml

from tests.processes import kill_tree

ROOT = Path(__file__).resolve().parent.parent
SPARK_SUBMIT = Path(sys.executable).parent / "spark-submit"
_SECONDS = 900
# Small plans, each run once: compiling them well, and verifying Spark's classes, costs more than it
# saves.
_UNVERIFIED = "-XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote"
QUICK_START = f"-XX:TieredStopAtLevel=1 {_UNVERIFIED}"
FAST_START = {"JDK_JAVA_OPTIONS": QUICK_START}


def write_config(path: Path, tree: dict[str, object]) -> Path:
    """Write settings as a YAML file."""
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def submit(
    job: str | Path, config: Path, folder: Path, *options: str, spark: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a job and wait for it.

    Args:
        job: name of a file in jobs/, or a file.
        config: its settings.
        folder: the working directory.
        options: for the job, such as `--set`.
        spark: options for spark-submit; none are needed.
    """
    return subprocess.run(
        _command(job, config, *options, spark=spark),
        cwd=folder,
        env={**os.environ, **FAST_START},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )


def _command(
    job: str | Path, config: Path, *options: str, spark: tuple[str, ...] = ()
) -> list[str]:
    file = job if isinstance(job, Path) else ROOT / "jobs" / f"{job}.py"
    return [str(part) for part in (SPARK_SUBMIT, *spark, file, "--config", config, *options)]


@contextmanager
def started(job: str | Path, config: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Start a job beside its settings; what is left of it at the end is killed.

    What it says goes into a file named as its settings' file, with `.said` behind.
    """
    said = config.with_name(f"{config.name}.said")
    with said.open("w") as file:
        process = subprocess.Popen(
            _command(job, config, *options),
            cwd=config.parent,
            env={**os.environ, **FAST_START},
            stdout=file,
            stderr=file,
            text=True,
        )
        try:
            yield process
        finally:
            kill_tree(process.pid)
            process.wait()


def submit_well(
    job: str | Path, config: Path, folder: Path, *options: str, spark: tuple[str, ...] = ()
) -> str:
    """Run a job that must succeed, and give what it said."""
    done = submit(job, config, folder, *options, spark=spark)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr


def run_here(job: str, config: Path, *options: str) -> tuple[int, str]:
    """Run a job in the session that is active, as Databricks does.

    Returns:
        Its exit code, and what it said.
    """
    said, before = io.StringIO(), sys.argv
    file = str(ROOT / "jobs" / f"{job}.py")
    sys.argv = [file, "--config", str(config), *options]
    try:
        with redirect_stdout(said), redirect_stderr(said):
            runpy.run_path(file, run_name="__main__")
    except SystemExit as left:
        return int(left.code or 0), said.getvalue()
    finally:
        sys.argv = before
    return 0, said.getvalue()


def run_well_here(job: str, config: Path, *options: str) -> str:
    """Run a job that must succeed in the active session, and give what it said."""
    code, said = run_here(job, config, *options)
    assert code == 0, said[-3000:]
    return said
