import pytest

from promptknn.table import Column, Table, sql_text
from promptknn.tables import ALL_TABLES

WORDS = Table(
    "words",
    "One row a word, the speaker's own.",
    ("word",),
    (
        Column("word", "STRING", "The word"),
        Column("meaning", "STRING", "What it means", nullable=True),
    ),
    {"word_is_not_empty": "length(word) > 0", "word_is_not_x": "word <> 'x'"},
)


def test_the_statement_has_columns_comments_key_and_constraints() -> None:
    assert WORDS.ddl("delta.`/lake/words`") == (
        "CREATE TABLE IF NOT EXISTS delta.`/lake/words` (\n"
        "  `word` STRING NOT NULL COMMENT 'The word',\n"
        "  `meaning` STRING COMMENT 'What it means',\n"
        "  `run_id` STRING NOT NULL COMMENT 'The run that wrote this row'\n"
        ") USING DELTA\n"
        "COMMENT 'One row a word, the speaker\\'s own. Key: word.'\n"
        "TBLPROPERTIES ('delta.constraints.word_is_not_empty' = 'length(word) > 0', "
        "'delta.constraints.word_is_not_x' = 'word <> \\'x\\'')"
    )


def test_a_table_without_checks_has_no_properties() -> None:
    assert "TBLPROPERTIES" not in Table("words", "Words.", ("word",), WORDS.columns).ddl("words")


def test_a_schema_keeps_the_order_asked_for() -> None:
    assert WORDS.schema("meaning", "word") == "`meaning` STRING, `word` STRING"


def test_a_schema_of_an_unknown_column_is_refused() -> None:
    with pytest.raises(KeyError, match="spelling"):
        WORDS.schema("spelling")


def test_quotes_and_backslashes_are_escaped() -> None:
    assert sql_text("it's a \\") == "'it\\'s a \\\\'"


@pytest.mark.parametrize("table", ALL_TABLES, ids=lambda table: table.name)
def test_every_table_has_a_documented_key_of_required_columns(table: Table) -> None:
    required = {column.name for column in table.all_columns if not column.nullable}
    assert table.key
    assert set(table.key) <= required
    assert all(column.comment for column in table.columns)


@pytest.mark.parametrize("table", ALL_TABLES, ids=lambda table: table.name)
def test_every_vector_stands_beside_its_checked_dimension(table: Table) -> None:
    for column in table.columns:
        if column.type == "ARRAY<FLOAT>":
            checked = [check for check in table.checks.values() if f"size({column.name})" in check]
            assert checked, column.name


def test_tables_have_different_names() -> None:
    names = [table.name for table in ALL_TABLES]
    assert len(set(names)) == len(names)
