from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from promptknn.errors import MissingInputError
from promptknn.lake import Lake
from promptknn.settings import Settings
from promptknn.sources.diffusiondb import DiffusionDbSource
from promptknn.sources.ingest import IngestPrompts
from promptknn.tables import RAW_PROMPTS
from tests.conftest import Run
from tests.sources.published import CAPTIONS, NAN, pushed_filters, write

NAMES = [f"3bfcd9cf-26ea-4303-bbe1-b095853f536{number}.png" for number in range(6)]
COLUMNS = {
    "image_name": pa.array([*NAMES[:4], NAMES[0], None]),
    # Four pictures were made of one prompt.
    "prompt": pa.array([CAPTIONS[0]] * 4 + [CAPTIONS[1], ""]),
    "part_id": pa.array([1, 1, 1, 1, 2000, 2000], pa.uint16()),
    "seed": pa.array([2615452719, 1, 2, 3, 4, 5], pa.uint32()),
    "step": pa.array([50] * 6, pa.uint16()),
    "cfg": pa.array([7.0, NAN, 7.0, 7.5, 7.0, 7.0], pa.float32()),
    "sampler": pa.array([8] * 6, pa.uint8()),
    "width": pa.array([512, 512, 768, 512, 448, 512], pa.uint16()),
    "height": pa.array([512, 512, 512, 448, 512, 512], pa.uint16()),
    "user_name": pa.array(["e3f1c8a2", None, "e3f1c8a2", "77b0", "77b0", "77b0"]),
    "timestamp": pa.array([datetime(2022, 8, 8, 12, tzinfo=UTC)] * 6, pa.timestamp("us", "UTC")),
    "image_nsfw": pa.array([0.1, 2.0, 0.4, NAN, 0.2, 0.0], pa.float32()),
    "prompt_nsfw": pa.array([0.001, 0.001, 0.5, 0.7, None, 0.0], pa.float32()),
}


def source(path: Path, **keys: object) -> DiffusionDbSource:
    return DiffusionDbSource.model_validate({"kind": "diffusiondb", "path": str(path), **keys})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "metadata.parquet", COLUMNS)


def test_rows_are_named_by_the_place_of_their_picture(spark: SparkSession, path: Path) -> None:
    rows = source(path).read(spark).collect()
    named = {row.source_row_id: row for row in rows if row.image_uri}
    assert sorted(named) == sorted(
        [*(f"part-000001/{name}" for name in NAMES[:4]), f"part-002000/{NAMES[0]}"]
    )
    assert {name: row.image_uri for name, row in named.items()} == {name: name for name in named}
    (nameless,) = [row for row in rows if not row.image_uri]
    assert nameless.text == ""
    assert len(nameless.source_row_id) == 32
    first = named[f"part-000001/{NAMES[0]}"]
    assert first.metadata == {
        "seed": "2615452719",
        "step": "50",
        "cfg": "7.0",
        "sampler": "8",
        "width": "512",
        "height": "512",
        "user_name": "e3f1c8a2",
        "timestamp": "2022-08-08 12:00:00",
        "image_nsfw": "0.1",
        "prompt_nsfw": "0.001",
    }


def test_pictures_are_found_in_their_folder(spark: SparkSession, path: Path) -> None:
    rows = source(path, images="/data/diffusiondb/images/").read(spark).collect()
    assert f"/data/diffusiondb/images/part-002000/{NAMES[0]}" in {row.image_uri for row in rows}


@pytest.mark.parametrize(
    ("keys", "kept"),
    [
        ({"maximum_image_nsfw": 0.4}, [1, 3, 5, 6]),
        ({"maximum_image_nsfw": 0.4, "keep_missing": True}, [1, 3, 4, 5, 6]),
        ({"maximum_prompt_nsfw": 0.5}, [1, 2, 3, 6]),
        ({"minimum_width": 512, "minimum_height": 512}, [1, 2, 3, 6]),
    ],
)
def test_filters_choose_rows(
    spark: SparkSession, path: Path, keys: dict[str, object], kept: list[int]
) -> None:
    found = source(path, **keys).read(spark).collect()
    seeds = [2615452719, 1, 2, 3, 4, 5]
    assert sorted(seeds.index(int(row.metadata["seed"])) + 1 for row in found) == kept


def test_filters_reach_the_scan(spark: SparkSession, path: Path) -> None:
    chosen = source(path, maximum_image_nsfw=0.5, maximum_prompt_nsfw=0.25, minimum_width=512)
    pushed = pushed_filters(chosen.read(spark))
    assert "LessThanOrEqual(image_nsfw,0.5)" in pushed
    assert "LessThanOrEqual(prompt_nsfw,0.25)" in pushed
    assert "GreaterThanOrEqual(width,512)" in pushed


def test_repeated_prompts_are_rows_of_their_own(
    spark: SparkSession, run: Run, path: Path, tmp_path: Path
) -> None:
    settings = Settings.model_validate({
        "lake": str(tmp_path / "lake"),
        "sources": [{"kind": "diffusiondb", "path": str(path), "maximum_prompt_nsfw": 0.6}],
    })  # fmt: skip
    (first,) = run(settings, IngestPrompts())
    (again,) = run(settings, IngestPrompts())
    rows = Lake(spark, settings.lake, "look").read(RAW_PROMPTS).collect()
    assert (first.rows_in, again.rows_in) == (4, 0)
    assert [row.text for row in rows].count(CAPTIONS[0]) == 3


def test_file_without_prompts_is_named(spark: SparkSession, tmp_path: Path) -> None:
    path = write(tmp_path / "pictures.parquet", {"image_name": pa.array(NAMES)})
    with pytest.raises(MissingInputError, match=r"pictures\.parquet\) has no column 'prompt'"):
        source(path).read(spark)
