"""Tables that a lake may lack, for the job that writes them has not run."""

from pyspark.sql import DataFrame

from promptknn.errors import MissingInputError
from promptknn.lake import Lake
from promptknn.table import Table


def read_if_there(lake: Lake, table: Table) -> DataFrame | None:
    """Read a table, or give None where it has not been created."""
    try:
        return lake.read(table)
    except MissingInputError:
        return None
