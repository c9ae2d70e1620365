"""Starting servers of Spark on this machine."""

import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

TRIES, PAUSE = 300, 0.2


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(
    log: Path, text: str, times: int, processes: Sequence[subprocess.Popen[bytes]]
) -> None:
    """Wait until a log has a text so many times; fails with the log if it never does."""
    for _ in range(TRIES):
        said = log.read_text(errors="replace")
        if said.count(text) >= times:
            return
        if any(process.poll() is not None for process in processes):
            break
        time.sleep(PAUSE)
    raise AssertionError(f"'{text}' did not show {times} times in:\n{log.read_text()[-2000:]}")


def wait_until_listening(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server takes connections; fails with its log if it ends before."""
    for _ in range(TRIES):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(PAUSE)
    raise AssertionError(f"Nothing listens on port {port}:\n{log.read_text()[-2000:]}")
