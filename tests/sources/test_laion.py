from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from promptknn.errors import MissingInputError
from promptknn.sources.laion import LaionSource
from tests.sources.published import CAPTIONS, NAN, pushed_filters, write

URLS = [f"https://pictures.example/{number}.jpg" for number in range(6)]
SHARED = {
    "LICENSE": pa.array(["?", None, "?", "?", "cc", "?"]),
    "NSFW": pa.array(["UNLIKELY", "UNLIKELY", "UNSURE", "NSFW", None, "UNLIKELY"]),
    "similarity": pa.array([0.31, NAN, 0.35, 0.4, 0.33, 0.29]),
}
PUBLISHED = {
    "SAMPLE_ID": pa.array([3001, 3002, None, 3004, 3005, 3006], pa.int64()),
    "URL": pa.array(URLS),
    "TEXT": pa.array([*CAPTIONS[:5], None]),
    "HEIGHT": pa.array([480, 480, 300, 200, None, 64]),
    "WIDTH": pa.array([640, 200, 300, 300, 640, 64]),
    **SHARED,
}
DOWNLOADED = {
    "url": pa.array(URLS),
    "caption": pa.array([*CAPTIONS[:5], None]),
    "key": pa.array([f"{number:09d}" for number in range(6)]),
    "status": pa.array(["success", "failed_to_download", *["success"] * 4]),
    "error_message": pa.nulls(6),
    "width": pa.array([256] * 6),
    "height": pa.array([256] * 6),
    "original_width": pa.array([640, 200, 300, 300, 640, 64]),
    "original_height": pa.array([480, 480, 300, 200, None, 64]),
    **SHARED,
}


def source(path: Path, **keys: object) -> LaionSource:
    return LaionSource.model_validate({"kind": "laion", "path": str(path), **keys})


@pytest.fixture(params=[PUBLISHED, DOWNLOADED], ids=["published", "img2dataset"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write(tmp_path / "part-00000.parquet", request.param)


def test_every_row_is_read_whatever_it_lacks(spark: SparkSession, path: Path) -> None:
    rows = {row.image_uri: row for row in source(path).read(spark).collect()}
    assert [rows[url].text for url in URLS] == [*CAPTIONS[:5], None]
    assert len({row.source_row_id for row in rows.values()}) == 6
    assert rows[URLS[0]].metadata["LICENSE"] == "?"
    assert rows[URLS[0]].metadata["similarity"] == "0.31"
    assert not {"LICENSE", "similarity"} & set(rows[URLS[1]].metadata)
    assert "NSFW" not in rows[URLS[4]].metadata
    assert source(path).label == "laion"


def test_filters_choose_rows(spark: SparkSession, path: Path) -> None:
    def kept(**keys: object) -> list[int]:
        return sorted(
            URLS.index(row.image_uri) for row in source(path, **keys).read(spark).collect()
        )

    assert kept(minimum_similarity=0.31) == [0, 2, 3, 4]
    assert kept(minimum_similarity=0.31, keep_missing=True) == [0, 1, 2, 3, 4]
    assert kept(allowed_nsfw=["UNLIKELY"]) == [0, 1, 5]
    assert kept(allowed_nsfw=["UNLIKELY", "UNSURE"], keep_missing=True) == [0, 1, 2, 4, 5]
    assert kept(minimum_width=300, minimum_height=300) == [0, 2]
    assert kept(minimum_similarity=0.3, allowed_nsfw=["UNLIKELY"], minimum_width=256) == [0]


def test_filters_reach_the_scan(spark: SparkSession, path: Path) -> None:
    chosen = source(path, minimum_similarity=0.3, allowed_nsfw=["UNLIKELY"], minimum_width=256)
    pushed = pushed_filters(chosen.read(spark))
    assert "GreaterThanOrEqual(similarity,0.3)" in pushed
    assert "EqualTo(NSFW,UNLIKELY)" in pushed
    assert "idth,256)" in pushed.replace("WIDTH", "width")


@pytest.mark.parametrize("type_", [pa.int64(), pa.float64(), pa.string()])
def test_sample_ids_name_rows_whatever_their_type(
    spark: SparkSession, tmp_path: Path, type_: pa.DataType
) -> None:
    ids = pa.array([3001, 12345678901, None]).cast(type_)
    columns = {"sample_id": ids, "Text": pa.array(CAPTIONS[:3]), "similarity": pa.nulls(3)}
    path = write(tmp_path / "part-00000.parquet", columns)
    found = {row.text: row.source_row_id for row in source(path).read(spark).collect()}
    assert found[CAPTIONS[0]] == "3001"
    assert found[CAPTIONS[1]] == "12345678901"
    assert len(found[CAPTIONS[2]]) == 32


def test_file_without_captions_is_named(spark: SparkSession, tmp_path: Path) -> None:
    path = write(tmp_path / "embeddings.parquet", {"URL": pa.array(URLS)})
    with pytest.raises(
        MissingInputError,
        match=r"'laion' \(.*embeddings\.parquet\) has no column 'TEXT' or 'caption'.* but URL: ",
    ):
        source(path).read(spark)


def test_filter_on_an_absent_column_is_named(spark: SparkSession, tmp_path: Path) -> None:
    path = write(tmp_path / "part.parquet", {"TEXT": pa.array(CAPTIONS)})
    with pytest.raises(MissingInputError, match=r"'NSFW', by which `allowed_nsfw` chooses"):
        source(path, allowed_nsfw=["UNLIKELY"]).read(spark)
