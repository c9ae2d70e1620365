"""Views as they stand in files: a comment that says what one row is, and a query.

A name in braces stands for a table of the lake or for another view: `{predictions}`.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from promptknn.errors import MissingInputError, SettingsError
from promptknn.table import Table
from promptknn.tables import ALL_TABLES

_NAME = re.compile(r"\{([a-z]\w*)\}")
_TABLES = {table.name: table for table in ALL_TABLES}


@dataclass(frozen=True)
class View:
    """A view.

    Attributes:
        name: of its file, without the extension.
        comment: what one row is.
        query: a SELECT with names in braces.
    """

    name: str
    comment: str
    query: str

    @classmethod
    def of_file(cls, file: Path) -> "View":
        """Read a view: the comment lines that the file begins with, then the query."""
        lines = file.read_text(encoding="utf-8").strip().rstrip(";").splitlines()
        comments = next(
            (n for n, line in enumerate(lines) if not line.startswith("--")), len(lines)
        )
        comment = " ".join(line.removeprefix("--").strip() for line in lines[:comments])
        return cls(file.stem, comment, "\n".join(lines[comments:]))

    @property
    def reads(self) -> set[str]:
        """The tables and views it reads."""
        return set(_NAME.findall(self.query))

    def query_over(self, reference: Callable[[str], str]) -> str:
        """Give the query for Spark.

        Args:
            reference: gives a table or view its name in SQL.
        """
        return _NAME.sub(lambda found: reference(found[1]), self.query)


def read_views(folder: Path) -> list[View]:
    """Read the views of a folder, one a file, each after those it reads.

    Raises:
        MissingInputError: the folder holds no view.
        SettingsError: a view is called like a table, reads what is neither table nor view, or
            reads itself.
    """
    views = {file.stem: View.of_file(file) for file in sorted(folder.glob("*.sql"))}
    if not views:
        raise MissingInputError(
            f"No view is in {folder}: set `--views` to a folder of .sql files, such as conf/sql."
        )
    for view in views.values():
        if view.name in _TABLES:
            raise SettingsError(
                f"The view {view.name} in {folder} is called like a table: rename its file."
            )
        for name in sorted(view.reads - _TABLES.keys() - views.keys()):
            raise SettingsError(
                f"The view {view.name} in {folder} reads {{{name}}}, which is neither a table "
                f"of the lake nor another view: correct the name."
            )
    order = TopologicalSorter({view.name: sorted(view.reads) for view in views.values()})
    try:
        return [views[name] for name in order.static_order() if name in views]
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise SettingsError(
            f"Views in {folder} read each other in a circle ({circle}): break it."
        ) from error


def tables_read(views: Iterable[View]) -> list[Table]:
    """Give the tables that some views read, in the order of their names."""
    names = {name for view in views for name in view.reads}
    return [_TABLES[name] for name in sorted(names) if name in _TABLES]
