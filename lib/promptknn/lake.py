"""The one place that reads, creates and writes tables, by path and by catalog name alike."""

import re
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promptknn.errors import MissingInputError, StorageError, reason
from promptknn.locations import is_path
from promptknn.table import Table, quoted, quoted_name

_CONFLICT = re.compile(r"DELTA_CONCURRENT|ConcurrentAppend|DELTA_METADATA_CHANGED|ProtocolChanged")
_MOST_TRIES = 20
# What Spark and Delta say of a table that was never created. Anything else (a grant that is
# missing, a server that does not answer) must not pass for that: removed prompts would come back.
_ABSENT = re.compile(
    "TABLE_OR_VIEW_NOT_FOUND|TABLE_NOT_FOUND|SCHEMA_NOT_FOUND|PATH_NOT_FOUND|DOES_NOT_EXIST"
    "|DELTA_TABLE_ONLY_OPERATION|MISSING_DELTA_TABLE"
)


class Lake:
    """The Delta tables under one folder, or in one schema of a catalog."""

    def __init__(self, spark: SparkSession, location: str, run_id: str) -> None:
        """Open a lake; nothing is created yet.

        Args:
            spark: session with Delta's extension.
            location: a folder, or `catalog.schema`.
            run_id: written into every row.
        """
        self.spark = spark
        self.location = location.rstrip("/")
        self.run_id = run_id
        self._created: set[str] = set()
        self._lock = threading.Lock()

    def reference(self, table: Table) -> str:
        """Give the table's name in SQL."""
        if is_path(self.location):
            return f"delta.{quoted(f'{self.location}/{table.name}')}"
        return quoted_name(f"{self.location}.{table.name}")

    def create(self, tables: Iterable[Table]) -> None:
        """Create the tables that are not there, side by side (each costs a commit)."""
        missing = [table for table in tables if table.name not in self._created]
        if not missing:
            return
        if not is_path(self.location):
            self.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {quoted_name(self.location)}")
        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(self._create_one, missing))

    def _create_one(self, table: Table) -> None:
        self._again_on_conflict(table.ddl(self.reference(table)))
        with self._lock:
            self._created.add(table.name)

    def exists(self, table: Table) -> bool:
        """Tell whether the table has been created.

        Raises:
            StorageError: it may have been, but cannot be read.
        """
        try:
            self.version(table)
        except PySparkException as error:
            if not _is_absence(error):
                raise self._unreadable(table, error) from error
            return False
        return True

    def read(self, table: Table) -> DataFrame:
        """Read a table.

        Raises:
            MissingInputError: it has not been created.
            StorageError: it may have been, but cannot be read.
        """
        try:
            frame = self.spark.table(self.reference(table))
            frame.columns  # noqa: B018 - Spark Connect looks for the table only when it must
        except PySparkException as error:
            if not _is_absence(error):
                raise self._unreadable(table, error) from error
            raise MissingInputError(
                f"The table {table.name} is not in the lake {self.location}: run the job that "
                f"writes it (jobs/build_index.py, then jobs/predict_prompts.py), or set `lake`."
            ) from error
        return frame

    def _unreadable(self, table: Table, error: PySparkException) -> StorageError:
        return StorageError(
            f"The table {table.name} of the lake {self.location} cannot be read "
            f"({reason(error)}): see that this job may read it and that the storage answers, or "
            f"set `lake`."
        )

    def read_pinned(self, table: Table) -> DataFrame:
        """Read a table as it is now, whatever is written to it later.

        Spark computes what it keeps of a frame anew when a table that the frame reads changes.
        """
        now = self.version(table)
        return self.spark.sql(f"SELECT * FROM {self.reference(table)} VERSION AS OF {now}")

    def read_if_there(self, table: Table) -> DataFrame | None:
        """Read a table, or give None where no job has created it."""
        try:
            return self.read(table)
        except MissingInputError:
            return None

    def read_or_empty(self, table: Table) -> DataFrame:
        """Read a table, or give no rows where no job has created it."""
        frame = self.read_if_there(table)
        if frame is not None:
            return frame
        schema = table.schema(*(column.name for column in table.columns))
        return self.spark.createDataFrame([], schema)

    def version(self, table: Table) -> int:
        """Give the table's current Delta version."""
        history = self.spark.sql(f"DESCRIBE HISTORY {self.reference(table)} LIMIT 1")
        return int(history.select("version").collect()[0][0])

    def insert(self, table: Table, rows: DataFrame, within: str | None = None) -> int:
        """Insert the rows whose key is not there yet; two writers never double a row.

        Args:
            table: where to.
            rows: the table's columns but `run_id`, each key once.
            within: an SQL condition on `t` that holds for every key of `rows`, so that Delta
                skips the files outside it.

        Returns:
            How many rows were new.
        """
        on = " AND ".join(f"t.`{key}` = s.`{key}`" for key in table.key)
        condition = f"{within} AND {on}" if within else on
        return self._merge(table, rows, condition, "WHEN NOT MATCHED THEN INSERT *")

    def replace(self, table: Table, rows: DataFrame, within: str | None = None) -> int:
        """Insert the rows, over those that have the same key; `within` as `insert` takes it.

        Returns:
            How many rows were written.
        """
        on = " AND ".join(f"t.`{key}` = s.`{key}`" for key in table.key)
        condition = f"{within} AND {on}" if within else on
        clauses = "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
        return self._merge(table, rows, condition, clauses)

    def delete(self, table: Table, rows: DataFrame) -> int:
        """Delete the rows that have one of these keys.

        Args:
            table: where from.
            rows: the table's key columns; others are not looked at.

        Returns:
            How many rows were there.
        """
        on = " AND ".join(f"t.`{key}` = s.`{key}`" for key in table.key)
        merge = f"MERGE INTO {self.reference(table)} t USING {{view}} s ON {on}"
        result = self._with_view(rows.select(*table.key), f"{merge} WHEN MATCHED THEN DELETE")
        return int(result.select("num_affected_rows").collect()[0][0])

    def purge(self, table: Table) -> None:
        """Write files anew whose rows are marked as deleted (deletion vectors), and still there."""
        marking = "key = 'delta.enableDeletionVectors' AND value = 'true'"
        if not self.sql("SHOW TBLPROPERTIES {0}", table).where(marking).isEmpty():
            self.sql("REORG TABLE {0} APPLY (PURGE)", table)

    def append(self, table: Table, rows: DataFrame) -> None:
        """Append rows whose keys hold this run's id, and so are new."""
        columns = [column.name for column in table.all_columns]
        source = rows.withColumn("run_id", F.lit(self.run_id)).select(*columns)
        self._with_view(source, f"INSERT INTO {self.reference(table)} SELECT * FROM {{view}}")

    def sql(self, statement: str, *tables: Table) -> DataFrame:
        """Run a statement in which {0}, {1} … stand for the tables, again if it conflicts."""
        return self._again_on_conflict(statement.format(*(self.reference(t) for t in tables)))

    def _merge(self, table: Table, rows: DataFrame, condition: str, clauses: str) -> int:
        columns = [column.name for column in table.all_columns]
        source = rows.withColumn("run_id", F.lit(self.run_id)).select(*columns)
        result = self._with_view(
            source,
            f"MERGE INTO {self.reference(table)} t USING {{view}} s ON {condition} {clauses}",
        )
        return int(result.select("num_affected_rows").collect()[0][0])

    def _with_view(self, source: DataFrame, statement: str) -> DataFrame:
        view = f"promptknn_{uuid4().hex}"
        source.createOrReplaceTempView(view)
        try:
            return self._again_on_conflict(statement.replace("{view}", view))
        finally:
            self.spark.catalog.dropTempView(view)

    def _again_on_conflict(self, statement: str) -> DataFrame:
        for attempt in range(_MOST_TRIES):
            try:
                return self.spark.sql(statement)
            # Delta's conflicts are PySparkExceptions under Spark Connect only; elsewhere they come
            # as py4j gives them.
            except Exception as error:
                if attempt == _MOST_TRIES - 1 or not _CONFLICT.search(str(error)):
                    raise
        raise AssertionError("unreachable")


def _is_absence(error: PySparkException) -> bool:
    return bool(_ABSENT.search(error.getCondition() or str(error)))
