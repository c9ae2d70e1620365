import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from promptknn.errors import MissingInputError
from promptknn.sources.coco import CocoSource, read_captions

CAPTIONS = {
    "info": {"year": 2017},
    "images": [
        {"id": 9, "file_name": "000000000009.jpg", "height": 480, "width": 640},
        {"id": 25, "file_name": "000000000025.jpg"},
    ],
    "annotations": [
        {"id": 661611, "image_id": 9, "caption": "Closeup of bins of food, \"fresh\"."},
        {"id": 661977, "image_id": 9, "caption": "A meal is presented\nin trays."},
        {"id": 127076, "image_id": 25, "caption": "A giraffe eating food from the trees."},
        {"id": 5, "image_id": 404, "caption": "An image that is not listed."},
    ],
}  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "captions_val.json"
    path.write_text(json.dumps(CAPTIONS))
    return path


def test_each_caption_is_a_row_with_its_image(spark: SparkSession, path: Path) -> None:
    source = CocoSource.model_validate({"kind": "coco", "path": str(path), "images": "/coco/val/"})
    assert source.label == "captions_val"
    rows = {row.source_row_id: row for row in source.read(spark).collect()}
    assert sorted(rows) == ["127076", "5", "661611", "661977"]
    assert rows["661977"].text == "A meal is presented\nin trays."
    assert rows["661611"].image_uri == rows["661977"].image_uri == "/coco/val/000000000009.jpg"
    assert rows["127076"].metadata == {"image_id": "25"}
    assert rows["5"].image_uri is None


def test_captions_keep_their_ids_and_file_names(spark: SparkSession, path: Path) -> None:
    rows = read_captions(spark, str(path), "truths").collect()
    assert {(row.caption_id, row.image_id, row.file_name) for row in rows} == {
        (661611, 9, "000000000009.jpg"),
        (661977, 9, "000000000009.jpg"),
        (127076, 25, "000000000025.jpg"),
        (5, 404, None),
    }


def test_absent_file_is_named(spark: SparkSession, tmp_path: Path) -> None:
    source = CocoSource.model_validate({"kind": "coco", "path": str(tmp_path / "absent.json")})
    with pytest.raises(MissingInputError, match=r"absent\.json"):
        source.read(spark)


@pytest.mark.parametrize("content", ['{"images": []}', '[{"text": "a zebra"}]', "not json"])
def test_other_json_is_refused_with_what_coco_looks_like(
    spark: SparkSession, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    source = CocoSource.model_validate({"kind": "coco", "path": str(path)})
    with pytest.raises(MissingInputError, match=r"other\.json holds no `annotations`"):
        source.read(spark)
