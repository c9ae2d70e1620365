"""The processes of a job, found by their parents, so that a test may kill some of its own."""

import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PAUSE = 0.02


def descendants(pid: int) -> list[int]:
    """Give the processes below one, parents before children."""
    children = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name stands in brackets, and may hold anything.
            parent = stat.read_text(errors="replace").rpartition(")")[2].split()[1]
            children[int(parent)].append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found.extend(children[each])
    return found[1:]


def command_of(pid: int) -> str:
    """Give a process's command line; nothing where it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    return ""


def python_workers(pid: int) -> list[int]:
    """Find the Python workers of a job: Spark's daemon forks them."""
    forked = [each for each in descendants(pid) if "pyspark.daemon" in command_of(each)]
    return [each for each in forked if "pyspark.daemon" in command_of(_parent(each))]


def executors(pid: int) -> list[int]:
    """Find the executors below a standalone cluster's process."""
    return [each for each in descendants(pid) if "CoarseGrainedExecutor" in command_of(each)]


def kill(pids: list[int]) -> int:
    """Kill processes at once, and tell how many there were."""
    killed = 0
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            killed += 1
    return killed


def kill_tree(pid: int) -> None:
    """Kill a process and all below it."""
    kill([pid, *descendants(pid)])


def wait_until(true: Callable[[], bool], seconds: float = 120.0) -> bool:
    """Look again and again until something is true; tell whether it was in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(PAUSE)
    return False


def _parent(pid: int) -> int:
    with suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        return int(stat.rpartition(")")[2].split()[1])
    return 0
