"""A standalone cluster on this machine: a master and two workers."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyspark

from tests.cluster.servers import free_port, wait_for
from tests.small import INTERPRETED
from tests.submission import FAST_START

SPARK_CLASS = Path(pyspark.__file__).parent / "bin" / "spark-class"
# Of an application of one small job after the other.
CONF = {
    **INTERPRETED,
    "spark.driver.host": "127.0.0.1",
    "spark.executor.memory": "1g",
    "spark.sql.shuffle.partitions": "4",
    "spark.databricks.delta.snapshotPartitions": "2",
}


@contextmanager
def standalone(
    home: Path, cores: int = 1, gpus: Sequence[Sequence[str]] = ((), ())
) -> Iterator[str]:
    """Run the cluster, and give its master's URL.

    Args:
        home: a folder for logs and, one a worker (`work-0`, `work-1`), work files.
        cores: that each worker offers, whether the machine has them or not.
        gpus: the addresses that each worker reports, made up.
    """
    port = free_port()
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
        port_options = ("--host", "127.0.0.1", "--webui-port", str(free_port()))
        start("master", "master.Master", *port_options, "--port", str(port))
        wait_for(log, "I have been elected leader", 1, processes)
        for number, addresses in enumerate(gpus):
            start(
                f"worker-{number}", "worker.Worker", "--host", "127.0.0.1",
                "--webui-port", str(free_port()), "--cores", str(cores), "--memory", "2g",
                "--work-dir", str(home / f"work-{number}"),
                "--properties-file", str(_properties(home / f"worker-{number}.conf", addresses)),
                url,
            )  # fmt: skip
        wait_for(log, "Registering worker", len(gpus), processes)
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


def _properties(file: Path, gpus: Sequence[str]) -> Path:
    """Write a worker's settings, which name a discovery script where it has GPUs to report."""
    lines = []
    if gpus:
        script = file.with_suffix(".sh")
        said = json.dumps({"name": "gpu", "addresses": list(gpus)})
        script.write_text(f"#!/bin/sh\necho '{said}'\n")
        script.chmod(0o755)
        lines = [
            f"spark.worker.resource.gpu.amount {len(gpus)}",
            f"spark.worker.resource.gpu.discoveryScript {script}",
        ]
    file.write_text("\n".join(lines) + "\n")
    return file
