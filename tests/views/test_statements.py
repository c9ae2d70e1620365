from promptknn.lake import Lake
from promptknn.views.definitions import View
from promptknn.views.statements import statements

VIEWS = [
    View("near", "One row's a neighbour.", "SELECT 1 FROM {predictions}"),
    View("nearest", "", "SELECT 2 FROM {near}"),
]


def _statements(location: str, schema: str | None) -> list[str]:
    return list(statements(Lake(None, location, "a-run"), VIEWS, schema))  # type: ignore[arg-type]


def test_temporary_views_lie_over_a_folder() -> None:
    assert _statements("/data/lake", None) == [
        "CREATE OR REPLACE TEMPORARY VIEW `predictions` AS\n"
        "SELECT * FROM delta.`/data/lake/predictions`",
        "CREATE OR REPLACE TEMPORARY VIEW `near` COMMENT 'One row\\'s a neighbour.' AS\n"
        "SELECT 1 FROM delta.`/data/lake/predictions`",
        "CREATE OR REPLACE TEMPORARY VIEW `nearest` COMMENT '' AS\nSELECT 2 FROM `near`",
    ]


def test_views_in_a_schema_name_it_in_full() -> None:
    schema, table, _, nearest = _statements("/data/lake", "main.odd`name")
    assert schema == "CREATE SCHEMA IF NOT EXISTS `main`.`odd``name`"
    assert table.startswith("CREATE OR REPLACE VIEW `main`.`odd``name`.`predictions` AS")
    assert nearest.endswith("SELECT 2 FROM `main`.`odd``name`.`near`")


def test_beside_its_tables_no_table_gets_a_view() -> None:
    made = _statements("main.lake", "main.lake")
    assert [text.split(" AS")[0].split(" COMMENT")[0] for text in made] == [
        "CREATE SCHEMA IF NOT EXISTS `main`.`lake`",
        "CREATE OR REPLACE VIEW `main`.`lake`.`near`",
        "CREATE OR REPLACE VIEW `main`.`lake`.`nearest`",
    ]
    assert made[1].endswith("FROM `main`.`lake`.`predictions`")
