"""The statements that make views: in a schema for good, or for one session of spark-sql.

Where the tables lie elsewhere, each gets a view beside the others, so that a query names tables and
views alike.
"""

from collections.abc import Iterator, Sequence

from promptknn.lake import Lake
from promptknn.table import quoted, quoted_name, sql_text
from promptknn.views.definitions import View, tables_read


def statements(lake: Lake, views: Sequence[View], schema: str | None) -> Iterator[str]:
    """Write the statements, each view after those it reads.

    Args:
        lake: has the tables.
        views: in the order in which they can be made.
        schema: where the views are to lie, as `schema` or `catalog.schema`; None makes temporary
            views, which belong to a session.
    """
    prefix = "" if schema is None else f"{quoted_name(schema)}."
    create = "CREATE OR REPLACE TEMPORARY VIEW" if schema is None else "CREATE OR REPLACE VIEW"
    tables = {table.name: lake.reference(table) for table in tables_read(views)}
    if schema is not None:
        yield f"CREATE SCHEMA IF NOT EXISTS {quoted_name(schema)}"
    if schema != lake.location:
        for name, reference in tables.items():
            yield f"{create} {prefix}{quoted(name)} AS\nSELECT * FROM {reference}"
    for view in views:
        query = view.query_over(lambda name: tables.get(name, f"{prefix}{quoted(name)}"))
        name = f"{prefix}{quoted(view.name)}"
        yield f"{create} {name} COMMENT {sql_text(view.comment)} AS\n{query}"
