"""Reading a lake's tables without Spark, by the package deltalake."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from promptknn.errors import EnvironmentMissingError, MissingInputError, reason
from promptknn.table import Table

_Filters = Sequence[tuple[str, str, object]]


class LakeReader:
    """The tables under one folder."""

    def __init__(self, location: str) -> None:
        """Name the lake.

        Raises:
            MissingInputError: it is no folder.
        """
        if not Path(location).is_dir():
            raise MissingInputError(
                f"There is no lake at {location}: name the folder that jobs/build_index.py wrote "
                f"(`lake` of its settings); a schema of a catalog is read by the Spark jobs alone."
            )
        self.location = location

    def has(self, table: Table) -> bool:
        """Tell whether the table has been created."""
        return (Path(self.location) / table.name / "_delta_log").is_dir()

    def read(self, table: Table, columns: Sequence[str], filters: _Filters = ()) -> pa.Table:
        """Read some columns of the rows that pass every filter.

        Args:
            table: one of the lake's.
            columns: names; one that may be null is left out where an older promptknn made the
                table without it.
            filters: such as ("active", "=", True).

        Raises:
            MissingInputError: the table is not there, or not readable without Spark.
            EnvironmentMissingError: the package deltalake is not installed.
        """
        try:
            from deltalake import DeltaTable
            from pyarrow.parquet import filters_to_expression
        except ModuleNotFoundError as error:
            raise EnvironmentMissingError(
                "Reading a lake without Spark needs the package deltalake: install "
                "promptknn[predict]."
            ) from error
        path = f"{self.location}/{table.name}"
        try:
            whole = DeltaTable(path)
            there = {field.name for field in whole.schema().fields}
            optional = {column.name for column in table.columns if column.nullable}
            names = [name for name in columns if name in there or name not in optional]
            every = list(dict.fromkeys([*names, *(name for name, _, _ in filters)]))
            # deltalake would skip files by their statistics, and takes those that a column has not
            # (a Boolean) or that are cut (a long text) for the truth: these tables are small.
            rows = whole.to_pyarrow_table(columns=every)
            chosen = rows.filter(filters_to_expression(list(filters))) if filters else rows
            return chosen.select(names)
        # deltalake raises kinds of its own, pyarrow's, and OSError, as the table is at fault.
        except Exception as error:
            raise MissingInputError(
                f"The table {table.name} cannot be read in the lake {self.location} "
                f"({reason(error)}): run jobs/build_index.py, or name another lake."
            ) from error
