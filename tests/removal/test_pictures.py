from pathlib import Path

import pytest
from pyspark.sql import DataFrame

from promptknn.images.picture_files import picture_name
from promptknn.lake import Lake
from promptknn.removal.pictures import picture_files
from promptknn.settings import Settings
from promptknn.stage import Context
from promptknn.tables import PROMPT_IMAGES
from tests.rows import add_rows

GONE, UNLISTED, LEFT = "0" * 32, "0" * 31 + "1", "1" * 32


@pytest.fixture
def context(lake: Lake, tmp_path: Path) -> Context:
    place = {"location": str(tmp_path / "pictures")}
    settings = Settings.model_validate({"lake": lake.location, "generation": place})
    return Context(lake.spark, lake, settings, lambda done, total: None)


def ids(context: Context) -> DataFrame:
    rows = [(GONE,), (UNLISTED,)]
    return context.spark.createDataFrame(rows, "prompt_id string")


def written(*files: Path) -> list[Path]:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"a picture")
    return list(files)


def test_all_files_of_a_prompt_are_counted_once_then_deleted(
    context: Context, tmp_path: Path
) -> None:
    pictures = tmp_path / "pictures"
    listed = pictures / picture_name("one", GONE, 0)
    # Listed when `generation.location` was another; and without a row, of two generators.
    moved = tmp_path / "before" / f"{GONE}-0.png"
    unlisted = [pictures / picture_name(name, GONE, 11) for name in ("one", "two")]
    unlisted.append(pictures / picture_name("one", UNLISTED, 0))
    # Left by a worker that was killed.
    unfinished = listed.with_name(f".{listed.name}.{'a' * 32}.part")
    gone = written(listed, moved, *unlisted, unfinished)
    left = written(pictures / picture_name("one", LEFT, 0), listed.with_name("photo.png"))
    uris = {listed: GONE, moved: GONE, listed.with_name("away.png"): GONE, left[0]: LEFT}
    rows = [
        {"prompt_id": name, "image_uri": str(file), "seed": seed, "safety": "safe"}
        for seed, (file, name) in enumerate(uris.items())
    ]
    add_rows(context.lake, PROMPT_IMAGES, rows)
    assert picture_files(context, ids(context), delete=False) == len(gone)
    assert all(file.is_file() for file in gone)
    assert picture_files(context, ids(context), delete=True) == len(gone)
    assert not any(file.exists() for file in gone)
    assert all(file.is_file() for file in left)
    assert picture_files(context, ids(context), delete=True) == 0


def test_there_are_none_where_none_was_ever_listed_or_chosen(
    context: Context, tmp_path: Path
) -> None:
    assert picture_files(context, ids(context), delete=True) == 0
    context.lake.create([PROMPT_IMAGES])
    assert picture_files(context, ids(context), delete=True) == 0
    (file,) = written(tmp_path / "pictures" / picture_name("one", GONE, 0))
    assert picture_files(context, ids(context).limit(0), delete=True) == 0
    assert file.is_file()
