"""Running the real jobs with the venv's own spark-submit, as a user does."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
SPARK_SUBMIT = Path(sys.executable).parent / "spark-submit"
_SECONDS = 900
# Small plans, each run once: compiling them well costs more than it saves.
FAST_START = {"JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}


def write_config(path: Path, tree: dict[str, object]) -> Path:
    """Write settings as a YAML file."""
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def submit(
    job: str, config: Path, folder: Path, *options: str, spark: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a job and wait for it.

    Args:
        job: name of the file in jobs/.
        config: its settings.
        folder: the working directory.
        options: for the job, such as `--set`.
        spark: options for spark-submit; none are needed.
    """
    command = [SPARK_SUBMIT, *spark, ROOT / "jobs" / f"{job}.py", "--config", config, *options]
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, **FAST_START},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )


def submit_well(
    job: str, config: Path, folder: Path, *options: str, spark: tuple[str, ...] = ()
) -> str:
    """Run a job that must succeed, and give what it said."""
    done = submit(job, config, folder, *options, spark=spark)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr
