from pathlib import Path
from uuid import uuid4

import pytest
from pyspark.sql import SparkSession

from promptknn.errors import MissingInputError
from promptknn.sources.delta import DeltaSource

ROWS = [(1, "a zebra", "z.png"), (2, "a cat", None)]


@pytest.fixture(params=["path", "name"])
def table(request: pytest.FixtureRequest, spark: SparkSession, tmp_path: Path) -> str:
    rows = spark.createDataFrame(ROWS, "key bigint, Text string, picture string")
    if request.param == "path":
        rows.write.format("delta").save(str(tmp_path / "captions"))
        return str(tmp_path / "captions")
    name = f"default.captions_{uuid4().hex}"
    rows.write.format("delta").saveAsTable(name)
    return name


def test_table_is_read_by_path_and_by_name(spark: SparkSession, table: str) -> None:
    source = DeltaSource.model_validate(
        {"kind": "delta", "table": table, "id_column": "key", "image_column": "picture"}
    )
    rows = source.read(spark).collect()
    found = {(row.source_row_id, row.text, row.image_uri) for row in rows}
    assert found == {("1", "a zebra", "z.png"), ("2", "a cat", None)}
    assert source.label in table


def test_missing_column_is_named(spark: SparkSession, table: str) -> None:
    source = DeltaSource.model_validate({"kind": "delta", "table": table, "text_column": "prompt"})
    with pytest.raises(MissingInputError, match=r"no column 'prompt'.*key, Text, picture"):
        source.read(spark)


@pytest.mark.parametrize("name", ["default.no_such_table", "/no/such/folder"])
def test_missing_table_is_named(spark: SparkSession, name: str) -> None:
    source = DeltaSource.model_validate({"kind": "delta", "table": name})
    with pytest.raises(MissingInputError, match=name):
        source.read(spark)
