"""Rows of any table, with values that do not matter where none are given."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from promptknn.lake import Lake
from promptknn.table import Table

_VALUES = {
    "STRING": "x", "BIGINT": 1, "INT": 1, "FLOAT": 0.5, "DOUBLE": 0.5, "BOOLEAN": True,
    "TIMESTAMP": datetime(2026, 1, 1, tzinfo=UTC), "ARRAY<FLOAT>": [1.0],
    "MAP<STRING, STRING>": {},
}  # fmt: skip


def add_rows(lake: Lake, table: Table, rows: Iterable[Mapping[str, object]]) -> None:
    """Append rows, in one commit, to a table that is made where it is missing."""
    lake.create([table])
    values = [
        tuple(row.get(column.name, _VALUES.get(column.type)) for column in table.columns)
        for row in rows
    ]
    schema = table.schema(*(column.name for column in table.columns))
    lake.append(table, lake.spark.createDataFrame(values, schema))
