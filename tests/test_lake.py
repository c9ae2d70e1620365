import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promptknn.errors import MissingInputError, StorageError
from promptknn.lake import Lake
from promptknn.materialised import materialised
from promptknn.table import Table
from promptknn.tables import ALL_TABLES, PROMPTS, REJECTED_PROMPTS

NAMES = [table.name for table in ALL_TABLES]


def rejected(spark: SparkSession, first: int, last: int, reason: str = "empty") -> DataFrame:
    return spark.range(first, last).select(
        F.lit("captions").alias("source"),
        F.col("id").cast("string").alias("source_row_id"),
        F.lit(" ").alias("text"),
        F.lit(reason).alias("reason"),
        F.lit("").alias("detail"),
        F.current_timestamp().alias("rejected_at"),
    )


def prompt(spark: SparkSession, **changes: object) -> DataFrame:
    values: dict[str, object] = {
        "prompt_id": "0" * 32,
        "text": "a zebra",
        "original_text": "a zebra",
        "language": "en",
        "language_score": 0.5,
        "source": "captions",
        "source_row_id": "1",
        **changes,
    }
    row = spark.createDataFrame([tuple(values.values())], ", ".join(f"{n} string" for n in values))
    return row.withColumn("language_score", F.col("language_score").cast("float")).withColumn(
        "cleaned_at", F.current_timestamp()
    )


@pytest.fixture(scope="module")
def full(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(spark, str(tmp_path_factory.mktemp("full") / "lake"), run_id="full")
    lake.create(ALL_TABLES)
    return lake


@pytest.fixture(params=["path", "name", "odd path"])
def anywhere(request: pytest.FixtureRequest, spark: SparkSession, tmp_path: Path) -> Lake:
    locations = {
        "path": str(tmp_path / "lake"),
        "name": f"spark_catalog.lake_{uuid4().hex}",
        "odd path": str(tmp_path / "it's {0} `lake`"),
    }
    return Lake(spark, locations[request.param], run_id="first-run")


@pytest.mark.parametrize("table", ALL_TABLES, ids=NAMES)
def test_every_column_has_its_type_and_comment(full: Lake, table: Table) -> None:
    fields = full.read(table).schema.fields
    assert [field.name for field in fields] == [column.name for column in table.all_columns]
    for field, column in zip(fields, table.all_columns, strict=True):
        assert field.metadata["comment"] == column.comment
        assert len(column.comment) > 5
    types = ", ".join(f"`{column.name}` {column.type}" for column in table.all_columns)
    wanted = full.spark.createDataFrame([], types).schema
    assert [f.dataType.simpleString() for f in fields] == [
        f.dataType.simpleString() for f in wanted.fields
    ]


def metadata(lake: Lake, table: Table) -> dict[str, Any]:
    """Read what the first commit says of a table."""
    log = Path(lake.location) / table.name / "_delta_log" / f"{0:020d}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    return next(action["metaData"] for action in actions if "metaData" in action)


@pytest.mark.parametrize("table", ALL_TABLES, ids=NAMES)
def test_table_says_what_a_row_is_and_its_key(full: Lake, table: Table) -> None:
    assert metadata(full, table)["description"] == f"{table.comment} Key: {', '.join(table.key)}."
    assert set(table.key) <= {column.name for column in table.all_columns}


@pytest.mark.parametrize("table", ALL_TABLES, ids=NAMES)
def test_table_is_born_with_its_constraints(full: Lake, table: Table) -> None:
    found = metadata(full, table)
    checks = {
        key.removeprefix("delta.constraints."): v for key, v in found["configuration"].items()
    }
    assert checks == dict(table.checks)
    fields = json.loads(found["schemaString"])["fields"]
    assert {f["name"]: f["nullable"] for f in fields} == {
        column.name: column.nullable for column in table.all_columns
    }


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"prompt_id": "abc"}, "prompt_id_is_128_bits"),
        ({"text": ""}, "text_is_not_empty"),
        ({"language_score": 1.5}, "language_score_is_a_share"),
        ({"source": None}, "NOT NULL constraint violated for column: source"),
    ],
)
def test_rows_that_break_a_constraint_are_refused(
    full: Lake, changes: dict[str, object], named: str
) -> None:
    with pytest.raises(Exception, match=f"DELTA_.* {named}"):
        full.insert(PROMPTS, prompt(full.spark, **changes))
    assert full.read(PROMPTS).count() == 0


def test_inserting_twice_adds_no_rows(anywhere: Lake, spark: SparkSession) -> None:
    anywhere.create([REJECTED_PROMPTS])
    assert anywhere.insert(REJECTED_PROMPTS, rejected(spark, 0, 10)) == 10
    again = Lake(spark, anywhere.location, run_id="second-run")
    assert again.insert(REJECTED_PROMPTS, rejected(spark, 5, 12)) == 2
    rows = again.read(REJECTED_PROMPTS).collect()
    assert sorted(int(row.source_row_id) for row in rows) == list(range(12))
    first = {int(row.source_row_id) for row in rows if row.run_id == "first-run"}
    assert first == set(range(10))


def test_a_pinned_table_stays_and_what_is_kept_of_it_too(
    anywhere: Lake, spark: SparkSession
) -> None:
    anywhere.create([REJECTED_PROMPTS])
    anywhere.insert(REJECTED_PROMPTS, rejected(spark, 0, 10))
    pinned = anywhere.read_pinned(REJECTED_PROMPTS)
    with materialised(pinned.withColumn("computed", F.rand()), anywhere) as kept:
        before = sorted(row.computed for row in kept.collect())
        anywhere.insert(REJECTED_PROMPTS, rejected(spark, 10, 12))
        assert pinned.count() == 10
        assert sorted(row.computed for row in kept.collect()) == before
    assert anywhere.read(REJECTED_PROMPTS).count() == 12


def test_creating_twice_keeps_rows(anywhere: Lake, spark: SparkSession) -> None:
    anywhere.create([REJECTED_PROMPTS])
    anywhere.append(REJECTED_PROMPTS, rejected(spark, 0, 3))
    version = anywhere.version(REJECTED_PROMPTS)
    Lake(spark, anywhere.location, run_id="second-run").create([REJECTED_PROMPTS])
    assert anywhere.read(REJECTED_PROMPTS).count() == 3
    assert anywhere.version(REJECTED_PROMPTS) == version


def test_replacing_writes_over_rows_of_the_same_key(lake: Lake, spark: SparkSession) -> None:
    lake.create([REJECTED_PROMPTS])
    lake.insert(REJECTED_PROMPTS, rejected(spark, 0, 3))
    assert lake.replace(REJECTED_PROMPTS, rejected(spark, 2, 5, reason="too_long")) == 3
    reasons = {row.source_row_id: row.reason for row in lake.read(REJECTED_PROMPTS).collect()}
    assert reasons == {
        "0": "empty", "1": "empty", "2": "too_long", "3": "too_long", "4": "too_long",
    }  # fmt: skip


def test_two_writers_at_once_double_no_row(lake: Lake, spark: SparkSession) -> None:
    ready = Barrier(2)

    def write(first: int) -> int:
        mine = Lake(spark, lake.location, run_id=f"writer-{first}")
        ready.wait()
        mine.create([REJECTED_PROMPTS])
        return mine.insert(REJECTED_PROMPTS, rejected(spark, first, first + 100))

    with ThreadPoolExecutor(2) as pool:
        written = list(pool.map(write, [0, 50]))
    ids = [int(row.source_row_id) for row in lake.read(REJECTED_PROMPTS).collect()]
    assert sorted(ids) == list(range(150))
    assert sum(written) == 150


def test_missing_table_is_named_with_the_job_that_writes_it(lake: Lake) -> None:
    assert not lake.exists(PROMPTS)
    with pytest.raises(MissingInputError, match=r"prompts.*jobs/build_index.py"):
        lake.read(PROMPTS)


@pytest.mark.parametrize("made", ["nothing", "a folder", "a folder that Delta began"])
def test_a_table_that_was_never_created_is_absent(lake: Lake, made: str) -> None:
    folder = Path(lake.location, PROMPTS.name)
    if made != "nothing":
        (folder / "_delta_log" if "Delta" in made else folder).mkdir(parents=True)
    assert not lake.exists(PROMPTS)
    assert lake.read_if_there(PROMPTS) is None
    assert not Lake(lake.spark, "no_such_schema", "run").exists(PROMPTS)
    assert Lake(lake.spark, "no_such_schema", "run").read_if_there(PROMPTS) is None


def test_a_table_that_cannot_be_read_does_not_pass_for_one_that_is_not_there(
    spark: SparkSession,
) -> None:
    # Spark's own catalog refuses such a name, as others refuse who has no grant.
    elsewhere = Lake(spark, "no_such_catalog.schema", "run")
    for ask in (elsewhere.exists, elsewhere.read, elsewhere.read_if_there, elsewhere.read_or_empty):
        with pytest.raises(StorageError, match=r"prompts of the lake.*NAMESPACE.*set `lake`"):
            ask(PROMPTS)
