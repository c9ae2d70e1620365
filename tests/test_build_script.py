import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.submission import ROOT

# Stands in for Python: says which benchmark it was given, and fails for one of them.
PYTHON = """#!/bin/sh
echo "$2"
[ "$2" != tests.benchmarks.bad ]
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that is set up, with three benchmarks."""
    for name in ("requirements.lock", "pyproject.toml", "build.sh"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON)
    python.chmod(0o755)
    benchmarks = tmp_path / "tests" / "benchmarks"
    benchmarks.mkdir(parents=True)
    for name in ("bad", "first", "last"):
        (benchmarks / f"{name}.py").touch()
    (tmp_path / ".venv" / "promptknn-setup").write_text(set_up(tmp_path))
    return tmp_path


def set_up(checkout: Path) -> str:
    """Give what `setup` writes where it has nothing left to do."""
    files = ("requirements.lock", "pyproject.toml", "build.sh")
    content = b"".join((checkout / name).read_bytes() for name in files)
    return hashlib.sha256(content + f" 4g {checkout}\n".encode()).hexdigest() + "  -\n"


def bench(checkout: Path, *names: str) -> tuple[int, list[str], str]:
    ours = {"PROMPTKNN_DRIVER_MEMORY", "UV_TORCH_BACKEND"}
    done = subprocess.run(
        [str(checkout / "build.sh"), "bench", *names],
        env={name: value for name, value in os.environ.items() if name not in ours},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout.split(), done.stderr


def test_benchmarks_go_on_past_one_that_fails_and_name_it_at_the_end(checkout: Path) -> None:
    code, ran, said = bench(checkout)
    assert ran == ["tests.benchmarks.bad", "tests.benchmarks.first", "tests.benchmarks.last"]
    assert code == 2
    assert said.splitlines()[-1] == "These benchmarks failed, see above: bad."


def test_benchmarks_that_succeed_leave_with_0(checkout: Path) -> None:
    assert bench(checkout, "last", "first")[:2] == (
        0,
        ["tests.benchmarks.last", "tests.benchmarks.first"],
    )


def test_a_benchmark_that_is_not_there_is_said_before_any_runs(checkout: Path) -> None:
    code, ran, said = bench(checkout, "first", "frist")
    assert (code, ran) == (2, [])
    assert "There is no benchmark 'frist'" in said
