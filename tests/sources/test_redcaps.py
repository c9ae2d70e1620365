import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from promptknn.errors import MissingInputError
from promptknn.sources.redcaps import RedCapsSource
from tests.sources.published import CAPTIONS


def annotation(number: int, **changes: object) -> dict[str, object]:
    return {
        "image_id": f"ez{number}",
        "author": "a_user",
        "url": f"https://i.redd.example/{number}.jpg",
        "raw_caption": f"[OC] {CAPTIONS[number]}!",
        "caption": CAPTIONS[number],
        "subreddit": "pics",
        "score": 10 * number,
        "created_utc": 1583020800 + number,
        "permalink": f"/r/pics/comments/ez{number}/",
        **changes,
    }


def write(path: Path, annotations: object) -> None:
    info = {"url": "https://redcaps.example", "year": 2021, "version": "1.0"}
    path.write_text(json.dumps({"info": info, "annotations": annotations}, indent=1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "annotations"
    folder.mkdir()
    unscored = annotation(2)
    del unscored["score"]
    write(folder / "pics_2019.json", [annotation(0), annotation(1, caption=None), unscored])
    write(folder / "birding_2020.json", [annotation(3, crosspost_parents=["f00", "f01"])])
    write(folder / "empty_2020.json", [])
    return folder


def source(path: Path, **keys: object) -> RedCapsSource:
    return RedCapsSource.model_validate({"kind": "redcaps", "path": str(path), **keys})


@pytest.mark.parametrize("pattern", ["", "*_20*.json"])
def test_captions_of_every_file_are_read(spark: SparkSession, folder: Path, pattern: str) -> None:
    found = source(folder / pattern)
    rows = {row.source_row_id: row for row in found.read(spark).collect()}
    assert found.label == "redcaps"
    assert {name: row.text for name, row in rows.items()} == {
        "ez0": CAPTIONS[0],
        "ez1": None,
        "ez2": CAPTIONS[2],
        "ez3": CAPTIONS[3],
    }
    assert rows["ez3"].image_uri == "https://i.redd.example/3.jpg"
    assert rows["ez0"].metadata == {
        "author": "a_user",
        "raw_caption": f"[OC] {CAPTIONS[0]}!",
        "subreddit": "pics",
        "score": "0",
        "created_utc": "1583020800",
        "permalink": "/r/pics/comments/ez0/",
    }
    assert rows["ez3"].metadata["crosspost_parents"] == "[f00, f01]"
    assert "score" not in rows["ez2"].metadata


def test_captions_may_be_read_as_posted(spark: SparkSession, folder: Path) -> None:
    rows = source(folder, caption="raw_caption").read(spark).collect()
    assert {row.text for row in rows} == {f"[OC] {text}!" for text in CAPTIONS[:4]}
    assert {row.metadata.get("caption") for row in rows} == {*CAPTIONS[2:4], CAPTIONS[0], None}


def test_score_chooses_rows(spark: SparkSession, folder: Path) -> None:
    rows = source(folder, minimum_score=10).read(spark).collect()
    assert {row.source_row_id for row in rows} == {"ez1", "ez3"}
    rows = source(folder, minimum_score=30, keep_missing=True).read(spark).collect()
    assert {row.source_row_id for row in rows} == {"ez2", "ez3"}


@pytest.mark.parametrize(
    "content",
    ['{"images": []}', '[{"text": "a zebra"}]', "not json", '{"annotations": [{"title": "a"}]}'],
)
def test_one_bad_file_among_good_ones_is_named(
    spark: SparkSession, folder: Path, content: str
) -> None:
    (folder / "other_2020.json").write_text(content)
    with pytest.raises(
        MissingInputError, match=r"other_2020\.json holds no `annotations` with `caption`"
    ):
        source(folder).read(spark)
    assert source(folder / "[bp]*.json").read(spark).count() == 4


def test_absent_folder_is_named(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"Source 'redcaps': .*absent cannot be read"):
        source(tmp_path / "absent").read(spark)
