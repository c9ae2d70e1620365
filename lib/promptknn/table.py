"""What a Delta table is made of: columns with comments, a key, and constraints."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Column:
    """One column; `type` as Spark SQL writes it."""

    name: str
    type: str
    comment: str
    nullable: bool = False

    def ddl(self) -> str:
        """Write the column for CREATE TABLE."""
        required = "" if self.nullable else " NOT NULL"
        return f"`{self.name}` {self.type}{required} COMMENT {sql_text(self.comment)}"


@dataclass(frozen=True)
class Table:
    """A Delta table. Every table also has `run_id`, the run that wrote the row.

    Attributes:
        name: as it stands under the lake's folder or schema.
        comment: what one row is.
        key: the columns that tell rows apart; an insert leaves out keys that are there.
        columns: all but `run_id`.
        checks: name and SQL condition of each constraint.
    """

    name: str
    comment: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    checks: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """The columns in order, `run_id` last."""
        return (*self.columns, Column("run_id", "STRING", "The run that wrote this row"))

    @property
    def properties(self) -> dict[str, str]:
        """Constraints as table properties.

        Delta takes a CHECK as a property of CREATE TABLE, where ALTER TABLE would need a commit
        for each: the table appears in one commit, whole or not at all.
        """
        return {f"delta.constraints.{name}": check for name, check in self.checks.items()}

    def schema(self, *names: str) -> str:
        """Give some columns, in the order asked for, as a schema text for mapInArrow."""
        types = {column.name: column.type for column in self.columns}
        return ", ".join(f"`{name}` {types[name]}" for name in names)

    def ddl(self, reference: str) -> str:
        """Write the CREATE TABLE statement.

        Args:
            reference: the table's name in SQL.
        """
        columns = ",\n  ".join(column.ddl() for column in self.all_columns)
        comment = f"{self.comment} Key: {', '.join(self.key)}."
        statement = f"CREATE TABLE IF NOT EXISTS {reference} (\n  {columns}\n) USING DELTA"
        statement += f"\nCOMMENT {sql_text(comment)}"
        if self.properties:
            pairs = ", ".join(
                f"{sql_text(key)} = {sql_text(value)}" for key, value in self.properties.items()
            )
            statement += f"\nTBLPROPERTIES ({pairs})"
        return statement


def sql_text(text: str) -> str:
    """Quote a text for Spark SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quoted(name: str) -> str:
    """Quote an identifier for Spark SQL."""
    return "`" + name.replace("`", "``") + "`"


def quoted_name(name: str) -> str:
    """Quote each part of `catalog.schema.table` for Spark SQL."""
    return ".".join(quoted(part) for part in name.split("."))
