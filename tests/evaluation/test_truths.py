import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from promptknn.errors import MissingInputError, SettingsError
from promptknn.evaluation.truths import check_names, read_truths
from promptknn.settings import CocoTruths, CsvTruths


def _pairs(spark: SparkSession, settings: CocoTruths | CsvTruths) -> set[tuple[str, str]]:
    return {(row.image_name, row.truth) for row in read_truths(spark, settings).collect()}


def test_every_caption_of_a_coco_image_counts(spark: SparkSession, tmp_path: Path) -> None:
    captions = {
        "images": [{"id": 7, "file_name": "000007.jpg"}],
        "annotations": [
            {"id": 1, "image_id": 7, "caption": "a red bus\n"},
            {"id": 2, "image_id": 7, "caption": "a bus in London"},
        ],
    }
    file = tmp_path / "captions.json"
    file.write_text(json.dumps(captions))
    found = _pairs(spark, CocoTruths(kind="coco", path=str(file)))
    assert found == {("000007", "a red bus"), ("000007", "a bus in London")}


def test_a_csv_names_images_with_or_without_extension(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "truths.csv"
    file.write_text('imgId,prompt\ncat.v1.PNG,"a cat, asleep"\ndog,a dog\nempty,\n')
    settings = CsvTruths(kind="csv", path=str(file), image_column="imgId")
    assert _pairs(spark, settings) == {("cat.v1", "a cat, asleep"), ("dog", "a dog")}


def test_a_missing_column_is_named(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "truths.csv"
    file.write_text("picture,prompt\na,b\n")
    with pytest.raises(
        MissingInputError, match=r"no column 'image'.*evaluation.truths.image_column"
    ):
        read_truths(spark, CsvTruths(kind="csv", path=str(file)))


@pytest.mark.parametrize("other", ["/val/cat.png", "/train/cat.jpg"])
def test_images_that_share_a_name_are_refused(other: str) -> None:
    uris = ["/train/cat.png", "/train/dog.png", other]
    with pytest.raises(SettingsError, match=rf"3 images have 2 names, {uris[0]} and {other} for"):
        check_names(["cat", "dog", "cat"], uris)
    check_names(["cat", "dog"], uris[:2])
