"""The stage that makes the views, in a schema or as a script."""

from pathlib import Path

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from rich.text import Text

from promptknn.errors import MissingInputError, SettingsError, reason
from promptknn.lake import Lake
from promptknn.locations import is_path
from promptknn.stage import Context, Counts, Stage
from promptknn.tables import PREDICTIONS
from promptknn.views.definitions import View, read_views, tables_read
from promptknn.views.statements import statements

DEFAULT_SCHEMA = "promptknn"
_LOCAL_SIZES = ("spark.databricks.delta.snapshotPartitions", "spark.sql.shuffle.partitions")


class CreateViews(Stage):
    """Tables -> views over them; a table that no job has written yet is created, empty."""

    name = "create_views"
    inputs = (PREDICTIONS,)

    def __init__(self, folder: Path, schema: str | None, script: Path | None) -> None:
        """Say what to make.

        Args:
            folder: the views, one a file.
            schema: where they are to lie; None: in the lake's schema, or DEFAULT_SCHEMA where the
                lake is a folder.
            script: a file to write the statements to, in place of running them.

        Raises:
            PromptKnnError: the folder, or a view, is not as it must be.
        """
        self._views = read_views(folder)
        self._schema = schema
        self._script = script
        # Not predictions: a lake without it is most likely not the one that was meant.
        self.outputs = tuple(table for table in tables_read(self._views) if table != PREDICTIONS)

    def run(self, context: Context) -> Counts:
        context.lake.read(PREDICTIONS)
        made = len(self._views)
        names = Text("Views: " + ", ".join(view.name for view in self._views))
        if self._script is not None:
            write_script(self._script, context.lake, self._views)
            message = f"{made} views written to {self._script}: spark-sql -i {self._script}"
            return Counts(made, made, message=message, details=names)
        lake = context.lake.location
        schema = self._schema or (DEFAULT_SCHEMA if is_path(lake) else lake)
        check_catalog_remembers(context.spark, schema)
        create_views(context.lake, self._views, schema)
        return Counts(made, made, message=f"{made} views are in {schema}", details=names)


def create_views(lake: Lake, views: list[View], schema: str) -> None:
    """Make the views in a schema, over those that are there.

    Raises:
        SettingsError: the catalog refuses one.
    """
    try:
        for statement in statements(lake, views, schema):
            lake.spark.sql(statement)
    except PySparkException as error:
        raise SettingsError(
            f"The views cannot be created in {schema} ({reason(error).rstrip('.')}): give another "
            f"`--schema`, or `--script FILE` to have them as temporary views."
        ) from error


def write_script(script: Path, lake: Lake, views: list[View]) -> None:
    """Write the statements of temporary views, for `spark-sql -i`.

    Raises:
        MissingInputError: the file cannot be written.
    """
    text = ";\n\n".join([*_sizes(lake.spark), *statements(lake, views, schema=None)])
    try:
        script.write_text(f"{text};\n", encoding="utf-8")
    except OSError as error:
        raise MissingInputError(
            f"--script {script} cannot be written ({error.strerror}): name a file in a folder "
            f"that is there."
        ) from error


def _sizes(spark: SparkSession) -> list[str]:
    """Hand a session's few tasks on: Delta and Spark would cut small tables into 50 and 200."""
    if not (spark.conf.get("spark.master", "") or "").startswith("local"):
        return []
    return [f"SET {key} = {spark.conf.get(key)}" for key in _LOCAL_SIZES]


def check_catalog_remembers(spark: SparkSession, schema: str) -> None:
    """Refuse to make views that are gone when the session ends.

    Raises:
        MissingInputError: the session's own catalog lives in memory.
    """
    catalog, _, inner = schema.rpartition(".")
    own = bool(inner) and catalog not in ("", "spark_catalog")
    if not own and spark.conf.get("spark.sql.catalogImplementation", "hive") == "in-memory":
        raise MissingInputError(
            "This session's catalog forgets views when it ends: give `--script FILE` and run it "
            "by `spark-sql -i FILE`, or start Spark with "
            "`--conf spark.sql.catalogImplementation=hive`."
        )
