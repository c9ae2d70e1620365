"""A standalone cluster on this machine: a master and two workers of one core."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyspark

from tests.submission import FAST_START

SPARK_CLASS = Path(pyspark.__file__).parent / "bin" / "spark-class"
WORKERS = 2
TRIES, PAUSE = 300, 0.2


@contextmanager
def standalone(home: Path) -> Iterator[str]:
    """Run the cluster, and give its master's URL.

    Args:
        home: a folder for logs and work files.
    """
    port = _free_port()
    url, log = f"spark://127.0.0.1:{port}", home / "master.log"
    (home / "log4j2.properties").write_text(
        "rootLogger.level = info\n"
        "rootLogger.appenderRef.stderr.ref = stderr\n"
        "appender.stderr.type = Console\n"
        "appender.stderr.name = stderr\n"
        "appender.stderr.target = SYSTEM_ERR\n"
        "appender.stderr.layout.type = PatternLayout\n"
        "appender.stderr.layout.pattern = %m%n\n"
    )
    environment = {
        **os.environ,
        **FAST_START,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_JAVA_OPTS": f"-Dlog4j2.configurationFile={home}/log4j2.properties",
        "SPARK_DAEMON_MEMORY": "512m",
        "PYSPARK_PYTHON": sys.executable,
    }
    processes: list[subprocess.Popen[bytes]] = []

    def start(name: str, *arguments: str) -> None:
        with (home / f"{name}.log").open("wb") as said:
            command = [str(SPARK_CLASS), f"org.apache.spark.deploy.{arguments[0]}", *arguments[1:]]
            processes.append(
                subprocess.Popen(command, env=environment, stdout=said, stderr=said, cwd=home)
            )

    try:
        port_options = ("--host", "127.0.0.1", "--webui-port", str(_free_port()))
        start("master", "master.Master", *port_options, "--port", str(port))
        _wait_for(log, "I have been elected leader", 1, processes)
        for number in range(WORKERS):
            start(
                f"worker-{number}", "worker.Worker", "--host", "127.0.0.1",
                "--webui-port", str(_free_port()), "--cores", "1", "--memory", "2g",
                "--work-dir", str(home / f"work-{number}"), url,
            )  # fmt: skip
        _wait_for(log, "Registering worker", WORKERS, processes)
        yield url
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for(log: Path, text: str, times: int, processes: list[subprocess.Popen[bytes]]) -> None:
    for _ in range(TRIES):
        said = log.read_text(errors="replace")
        if said.count(text) >= times:
            return
        if any(process.poll() is not None for process in processes):
            break
        time.sleep(PAUSE)
    raise AssertionError(f"'{text}' did not show {times} times in:\n{log.read_text()[-2000:]}")
