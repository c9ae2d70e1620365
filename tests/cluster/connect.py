"""A Spark Connect server on this machine, and jobs as its clients."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.servers import free_port, wait_until_listening
from tests.cluster.standalone import CONF
from tests.submission import FAST_START, ROOT, SPARK_SUBMIT

SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"
SECONDS = 900


@contextmanager
def connect_server(master: str, home: Path) -> Iterator[str]:
    """Run a server of the venv's own Spark, and give its address.

    Args:
        master: of a cluster, all of whose cores the server takes.
        home: a folder for its log.
    """
    port, log = free_port(), home / "connect.log"
    options = {
        **CONF,
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.ui.enabled": "false",
        "spark.sql.warehouse.dir": str(home / "warehouse"),
    }
    given = [part for key, value in options.items() for part in ("--conf", f"{key}={value}")]
    command = [str(SPARK_SUBMIT), "--master", master, *given, "--class", SERVER, "spark-internal"]
    # A Connect server names the workers' Python by its environment alone.
    environment = {**os.environ, **FAST_START, "PYSPARK_PYTHON": sys.executable}
    with log.open("wb") as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said, cwd=home)
    try:
        wait_until_listening(port, process, log)
        yield f"sc://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def run_connected(job: str, config: Path, remote: str) -> str:
    """Run a job as a client, without spark-submit; give what it said."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "jobs" / f"{job}.py"), "--config", str(config)],
        env={**os.environ, "SPARK_REMOTE": remote},
        cwd=config.parent,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr
