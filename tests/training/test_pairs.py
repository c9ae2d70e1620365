from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from promptknn.arrow_vectors import from_arrow
from promptknn.deduplication.exact import prompt_id
from promptknn.encoders.models import Models
from promptknn.errors import MissingInputError
from promptknn.lake import Lake
from promptknn.settings import PolicySettings, Settings
from promptknn.stage import Context
from promptknn.table import Table
from promptknn.tables import NEAR_DUPLICATES, PROMPT_IMAGES, PROMPTS
from promptknn.training.batches import TARGET
from promptknn.training.pairs import image_text_pairs, write_pairs
from tests.checkpoints import tiny_clip

TEXTS = [f"a drawing of {number} birds" for number in range(12)]
IDS = [prompt_id(text) for text in TEXTS]
# Values for the columns that pairs do not use.
FILLING = {"STRING": "x", "BIGINT": 1, "INT": 1, "DOUBLE": 0.5, "FLOAT": 0.5}


@pytest.fixture
def context(spark: SparkSession, lake: Lake, tmp_path: Path) -> Context:
    settings = Settings.model_validate({
        "lake": lake.location,
        "clip": {"model": tiny_clip(tmp_path / "clip", seed=0)},
        "splits": {"train": 1, "validation": 1, "test": 1},
    })  # fmt: skip
    return Context(spark, lake, settings, lambda done, rows: None)


def filled(spark: SparkSession, table: Table, **given: list[object]) -> DataFrame:
    """Make rows of a table, filling up the columns that are not given."""
    rows = len(next(iter(given.values())))
    columns = {
        column.name: given.get(column.name, [FILLING.get(column.type)] * rows)
        for column in table.columns
    }
    now = {"TIMESTAMP": "current_timestamp()"}
    casts = [
        f"CAST({now.get(column.type, column.name)} AS {column.type}) AS {column.name}"
        for column in table.columns
    ]
    return spark.createDataFrame(pd.DataFrame(columns).dropna(axis=1)).selectExpr(*casts)


@pytest.fixture
def generated(context: Context) -> Context:
    """A lake with twelve prompts, pictures of all but the last, the first of them flagged."""
    lake, spark = context.lake, context.spark
    lake.create([PROMPTS, PROMPT_IMAGES, NEAR_DUPLICATES])
    lake.insert(PROMPTS, filled(spark, PROMPTS, prompt_id=[*IDS], text=[*TEXTS]))
    lake.insert(
        PROMPT_IMAGES,
        filled(
            spark,
            PROMPT_IMAGES,
            prompt_id=[*IDS[:11]],
            image_uri=[f"/pictures/{number}.png" for number in range(11)],
            safety=["flagged", *["safe"] * 9, "not_checked"],
        ),
    )
    return context


def test_pictures_are_paired_with_their_prompts(generated: Context) -> None:
    pairs = image_text_pairs(generated, Models.of(generated.settings)).collect()

    assert {(row.image_uri, row.text) for row in pairs} == {
        (f"/pictures/{number}.png", TEXTS[number]) for number in range(1, 11)
    }
    splits = generated.settings.splits
    assert all(row.split == splits.of(row.prompt_id) for row in pairs)


def test_what_the_policy_has_come_to_forbid_teaches_nothing(generated: Context) -> None:
    policy = PolicySettings(terms=(TEXTS[3],))
    settings = generated.settings.model_copy(update={"policy": policy})
    pairs = image_text_pairs(replace(generated, settings=settings), Models.of(settings)).collect()
    assert {row.text for row in pairs} == {*TEXTS[1:11]} - {TEXTS[3]}


def test_near_duplicates_of_this_run_stay_in_one_split(generated: Context) -> None:
    models = Models.of(generated.settings)
    repeats = filled(
        generated.spark,
        NEAR_DUPLICATES,
        prompt_id=[*IDS[2:6], IDS[7]],
        kept_prompt_id=[IDS[1]] * 4 + [IDS[8]],
        sentence_model=[models.sentence_identity] * 4 + ["another model"],
        threshold=[0.9] * 5,
        similarity=[0.95] * 5,
    )
    generated.lake.insert(NEAR_DUPLICATES, repeats)

    pairs = image_text_pairs(generated, models).collect()

    split = {row.prompt_id: row.split for row in pairs}
    splits = generated.settings.splits
    assert {split[one] for one in IDS[1:6]} == {splits.of(IDS[1])}
    assert len({splits.of(one) for one in IDS[1:6]}) > 1
    assert split[IDS[7]] == splits.of(IDS[7])


@pytest.fixture
def table(context: Context) -> Callable[[dict[str, list[object]]], Context]:
    """Write a table of images and texts, and set `training.table` to it."""

    def write(columns: dict[str, list[object]]) -> Context:
        path = f"{context.lake.location}/pairs"
        context.spark.createDataFrame(pd.DataFrame(columns)).write.format("delta").save(path)
        tree = context.settings.model_dump()
        tree["training"] |= {"table": path, "image_column": "File", "text_column": "caption"}
        settings = Settings.model_validate(tree)
        return Context(context.spark, context.lake, settings, context.progress)

    return write


def test_any_table_of_images_and_texts_will_do(
    table: Callable[[dict[str, list[object]]], Context],
) -> None:
    context = table({
        "file": ["/a.png", "/b.png", "/b.png", None, "/c.png", "/d.png"],
        "caption": ["a  cat", "a dog", "a dog", "a cow", None, "  "],
    })  # fmt: skip

    pairs = image_text_pairs(context, Models.of(context.settings)).collect()

    assert sorted((row.image_uri, row.text, row.prompt_id) for row in pairs) == [
        ("/a.png", "a cat", prompt_id("a cat")),
        ("/b.png", "a dog", prompt_id("a dog")),
    ]


def test_missing_column_is_named(table: Callable[[dict[str, list[object]]], Context]) -> None:
    context = table({"file": ["/a.png"], "title": ["a cat"]})

    with pytest.raises(MissingInputError, match=r"'caption'.*training\.text_column.*title"):
        image_text_pairs(context, Models.of(context.settings))


def test_files_do_not_depend_on_the_rows_order(context: Context, tmp_path: Path) -> None:
    rows = pd.DataFrame({
        "prompt_id": IDS,
        "image_uri": [f"/{number}.png" for number in range(12)],
        "text": TEXTS,
        "split": ["train", "validation", "train"] * 4,
    })  # fmt: skip
    tree = context.settings.model_dump()
    tree["embedding"] |= {"prompts_per_task": 5}
    settings = Settings.model_validate(tree)
    models = Models.of(settings)
    for name, frame in (("one", rows), ("two", rows.sample(frac=1, random_state=0))):
        pairs = context.spark.createDataFrame(frame)
        write_pairs(pairs, len(rows), tmp_path / name, models, settings)

    one, two = (read_all(tmp_path / name) for name in ("one", "two"))

    assert one.drop_columns([TARGET]).equals(two.drop_columns([TARGET]))
    assert sorted(one.column("text").to_pylist()) == sorted(TEXTS)
    expected = models.sentence_encoder().encode_texts(one.column("text").to_pylist())
    assert np.allclose(from_arrow(one.column(TARGET)), expected, atol=1e-5)


def read_all(folder: Path) -> pa.Table:
    files = sorted(folder.iterdir())
    assert len(files) > 1
    return pa.concat_tables([pa.ipc.open_file(str(file)).read_all() for file in files])
