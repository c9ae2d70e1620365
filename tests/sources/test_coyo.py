from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from promptknn.errors import MissingInputError
from promptknn.sources.coyo import CoyoSource
from tests.sources.published import CAPTIONS, NAN, pushed_filters, write

COLUMNS = {
    "id": pa.array([841814333321, 1, 2, 3, 4, 5], pa.int64()),
    "url": pa.array([f"https://pictures.example/{number}.png" for number in range(6)]),
    "text": pa.array([None, *CAPTIONS[1:]]),
    "width": pa.array([1200, 800, 300, 150, 1024, 640], pa.int64()),
    "height": pa.array([1200, 600, 300, 150, 1024, None], pa.int64()),
    "image_phash": pa.array(["9b64c93631ed9c9d"] * 6),
    "text_length": pa.array([20] * 6, pa.int64()),
    "word_count": pa.array([4] * 6, pa.int64()),
    "num_tokens_bert": pa.array([6] * 6, pa.int64()),
    "num_tokens_gpt": pa.array([7] * 6, pa.int64()),
    "num_faces": pa.array([0, 1, None, 0, 0, 0], pa.int64()),
    "clip_similarity_vitb32": pa.array([0.3, 0.25, 0.28, NAN, 0.31, 0.2]),
    "clip_similarity_vitl14": pa.array([0.2, 0.27, 0.22, 0.3, None, 0.26]),
    "nsfw_score_opennsfw2": pa.array([0.01, 0.9, 0.02, 0.05, 0.0, 0.1]),
    "nsfw_score_gantman": pa.array([0.02, 0.01, 0.8, 0.03, 0.0, 0.1]),
    "watermark_score": pa.array([0.1, 0.2, 0.3, 0.9, 0.4, 0.45]),
    "aesthetic_score_laion_v2": pa.array([5.1, 4.0, 5.5, 6.2, 4.9, None], pa.float32()),
}


def source(path: Path, **keys: object) -> CoyoSource:
    return CoyoSource.model_validate({"kind": "coyo", "path": str(path), **keys})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "part-00000.parquet", COLUMNS)


def test_rows_keep_their_ids_pictures_and_scores(spark: SparkSession, path: Path) -> None:
    rows = {row.source_row_id: row for row in source(path).read(spark).collect()}
    assert sorted(rows) == ["1", "2", "3", "4", "5", "841814333321"]
    assert rows["841814333321"].text is None
    assert [rows[str(number)].text for number in range(1, 6)] == CAPTIONS[1:]
    assert rows["2"].image_uri == "https://pictures.example/2.png"
    assert rows["2"].metadata["watermark_score"] == "0.3"
    assert set(COLUMNS) - set(rows["1"].metadata) == {"id", "url", "text"}
    assert "num_faces" not in rows["2"].metadata
    assert "clip_similarity_vitb32" not in rows["3"].metadata


@pytest.mark.parametrize(
    ("keys", "kept"),
    [
        ({"minimum_similarity": 0.28}, ["2", "4", "841814333321"]),
        ({"minimum_similarity": 0.28, "keep_missing": True}, ["2", "3", "4", "841814333321"]),
        ({"minimum_similarity": 0.26, "similarity_model": "vitl14"}, ["1", "3", "5"]),
        ({"maximum_nsfw_score": 0.5}, ["3", "4", "5", "841814333321"]),
        ({"maximum_watermark_score": 0.4}, ["1", "2", "4", "841814333321"]),
        ({"minimum_aesthetic_score": 5}, ["2", "3", "841814333321"]),
        ({"minimum_width": 640, "minimum_height": 600}, ["1", "4", "841814333321"]),
    ],
)
def test_filters_choose_rows(
    spark: SparkSession, path: Path, keys: dict[str, object], kept: list[str]
) -> None:
    rows = source(path, **keys).read(spark).collect()
    assert sorted(row.source_row_id for row in rows) == kept


def test_filters_reach_the_scan(spark: SparkSession, path: Path) -> None:
    chosen = source(
        path,
        minimum_similarity=0.28,
        maximum_nsfw_score=0.5,
        maximum_watermark_score=0.4,
        minimum_aesthetic_score=4.5,
        minimum_width=256,
    )
    pushed = pushed_filters(chosen.read(spark))
    for condition in (
        "GreaterThanOrEqual(clip_similarity_vitb32,0.28)",
        "LessThanOrEqual(nsfw_score_opennsfw2,0.5)",
        "LessThanOrEqual(nsfw_score_gantman,0.5)",
        "LessThanOrEqual(watermark_score,0.4)",
        "GreaterThanOrEqual(aesthetic_score_laion_v2,4.5)",
        "GreaterThanOrEqual(width,256)",
    ):
        assert condition in pushed


def test_file_without_captions_is_named(spark: SparkSession, tmp_path: Path) -> None:
    columns = {name: values for name, values in COLUMNS.items() if name != "text"}
    path = write(tmp_path / "scores.parquet", columns)
    with pytest.raises(MissingInputError, match=r"scores\.parquet\) has no column 'text', which"):
        source(path).read(spark)
