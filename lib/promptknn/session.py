"""The Spark session: the active one where there is one, else a local or given master."""

import getpass
import os
import socket
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from pyspark import SparkConf
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from promptknn.errors import EnvironmentMissingError, reason
from promptknn.settings import SparkSettings

_DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}
# Where nothing shows them Spark would keep the plans of a thousand queries all the same.
FEW_QUERIES_KEPT = {
    "spark.sql.ui.retainedExecutions": "20",
    "spark.ui.retainedJobs": "100",
    "spark.ui.retainedStages": "100",
    "spark.ui.retainedTasks": "1000",
}
_LOCAL = {
    # Each commit is followed by jobs of so many tasks over the table's log.
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.sql.shuffle.partitions": "8",
    # VACUUM starts as many tasks as this says, 10,000 of them, for a table of three files too.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
    "spark.ui.enabled": "false",
    **FEW_QUERIES_KEPT,
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}
_CONNECT_PORT, _CONNECT_SECONDS = 15002, 20
_ANYWHERE = {
    "spark.ui.showConsoleProgress": "false",
    # Rows kept for a second use are texts and vectors: looking for what compresses them takes
    # longer than it saves.
    "spark.sql.inMemoryColumnarStorage.compressed": "false",
    # Above so many bytes rows of Arrow go to the tasks as they are: as a relation of the plan, the
    # optimizer would turn them one by one.
    "spark.sql.execution.arrow.localRelationThreshold": "1MB",
    "spark.sql.session.timeZone": "UTC",
}


def open_session(settings: SparkSettings) -> SparkSession:
    """Give the active session (Databricks, notebooks, tests), or make one with Delta.

    Raises:
        EnvironmentMissingError: Java or Delta's jars are missing.
    """
    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    builder = SparkSession.builder.appName(settings.application_name)
    remote = os.environ.get("SPARK_REMOTE")
    if remote:
        check_remote(remote)
    else:
        given = SparkConf()
        master = settings.master or given.get("spark.master", "local[*]") or "local[*]"
        defaults = {**_DELTA, **_ANYWHERE}
        if master.startswith("local"):
            # Workers are on this machine, but would run the python3 of PATH.
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
            defaults |= {**_LOCAL, **_warehouse(given, settings)}
        for key, value in defaults.items():
            if not given.contains(key):
                builder = builder.config(key, value)
    if settings.master:
        builder = builder.master(settings.master)
    for key, value in settings.conf.items():
        builder = builder.config(key, value)
    try:
        spark = builder.getOrCreate()
    except (PySparkException, RuntimeError, FileNotFoundError) as error:
        if remote:
            raise EnvironmentMissingError(
                f"Spark Connect gives no session ({reason(error).rstrip('.')}): check SPARK_REMOTE."
            ) from error
        raise EnvironmentMissingError(
            "Spark did not start: Java 17 or newer must be on PATH or in JAVA_HOME "
            "(./build.sh setup finds or installs it)."
        ) from error
    _check_delta(spark)
    return spark


def check_remote(remote: str) -> None:
    """Check that a Spark Connect server can be asked; its client would try for ten minutes.

    Args:
        remote: as SPARK_REMOTE has it: sc://host:port/;parameters.

    Raises:
        EnvironmentMissingError: nothing listens there, or the client's packages are missing.
    """
    if find_spec("grpc") is None:
        raise EnvironmentMissingError(
            "Spark Connect (SPARK_REMOTE) needs packages of its own: install promptknn[connect]."
        )
    address = urlsplit(remote)
    if address.scheme != "sc" or address.hostname is None:
        return
    host, port = address.hostname, address.port or _CONNECT_PORT
    try:
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise EnvironmentMissingError(
            f"No Spark Connect server answers at {host}:{port} ({error.strerror or error}): start "
            f"it, or correct SPARK_REMOTE."
        ) from error


def _warehouse(given: SparkConf, settings: SparkSettings) -> dict[str, str]:
    """Keep Spark from leaving an empty spark-warehouse in the working directory.

    Without a Hive catalog nothing outlives the session there: a temporary folder does.
    """
    key = "spark.sql.catalogImplementation"
    if "hive" in (given.get(key), settings.conf.get(key)):
        return {}
    folder = Path(tempfile.gettempdir()) / f"promptknn-warehouse-{getpass.getuser()}"
    return {"spark.sql.warehouse.dir": str(folder)}


def _check_delta(spark: SparkSession) -> None:
    try:
        spark.sql("DESCRIBE DETAIL delta.`/promptknn-looks-for-delta`").collect()
    # That the catalog's class is missing comes as py4j gives it.
    except Exception as error:
        text = str(error)
        if "DELTA_" not in text and "Path does not exist" not in text:
            raise EnvironmentMissingError(
                "Delta's jars are not on Spark's class path: run ./build.sh setup, or start Spark "
                "with --packages io.delta:delta-spark_4.2_2.13:4.4.0."
            ) from error
