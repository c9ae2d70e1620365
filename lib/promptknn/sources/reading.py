"""Loading files and tables with Spark, its complaints turned into one sentence."""

from collections.abc import Mapping

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, DataFrameReader, SparkSession

from promptknn.errors import MissingInputError, reason
from promptknn.locations import is_path
from promptknn.table import quoted, quoted_name


def load(
    reader: DataFrameReader,
    format_: str,
    path: str,
    label: str,
    options: Mapping[str, str] | None = None,
) -> DataFrame:
    """Read files of one format.

    Raises:
        MissingInputError: there is no such path, or Spark cannot find its schema.
    """
    try:
        return reader.format(format_).options(**(options or {})).load(path)
    # A footer or a schema that cannot be read is no AnalysisException.
    except Exception as error:
        raise MissingInputError(
            f"Source '{label}': {path} cannot be read as {format_} ({reason(error).rstrip('.')}): "
            f"check its `path` and `format` in the settings."
        ) from error


def table_or_path(spark: SparkSession, table: str, label: str) -> DataFrame:
    """Read a Delta table by its path, or any table by its name in a catalog.

    Raises:
        MissingInputError: there is no such table.
    """
    name = f"delta.{quoted(table)}" if is_path(table) else quoted_name(table)
    try:
        frame = spark.table(name)
        frame.columns  # noqa: B018 - Spark Connect looks for the table only when it must
    except AnalysisException as error:
        raise MissingInputError(
            f"'{label}': the table {table} cannot be read ({reason(error).rstrip('.')}): "
            f"check its path or name in the settings."
        ) from error
    return frame
