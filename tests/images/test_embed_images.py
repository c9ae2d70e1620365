import os
import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyspark.sql import Row, SparkSession

from promptknn.encoders.models import Models
from promptknn.errors import MissingInputError
from promptknn.images.embed_images import EmbedImages
from promptknn.lake import Lake
from promptknn.locations import package_path
from promptknn.settings import Settings
from promptknn.tables import IMAGE_EMBEDDINGS, REJECTED_IMAGES
from tests.checkpoints import tiny_clip
from tests.conftest import Run
from tests.small import changed

CHELSEA = Path(package_path("package:skimage/data/chelsea.png"))
COFFEE = Path(package_path("package:skimage/data/coffee.png"))
SIX = ("camera.png", "cell.png", "coins.png", "moon.png", "page.png", "text.png")
TWINS = {"cat.png", "same cat.png"}


@pytest.fixture(scope="module")
def embedded(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A folder of good and bad files, embedded once."""
    home = tmp_path_factory.mktemp("images")
    folder = home / "images"
    (folder / "deep").mkdir(parents=True)
    shutil.copy(CHELSEA, folder / "cat.png")
    shutil.copy(CHELSEA, folder / "deep" / "same cat.png")
    shutil.copy(COFFEE, folder / "deep" / "Kaffee, süß.PNG")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "page.jpg").write_text("<html>404</html>")
    (folder / "cut.png").write_bytes(CHELSEA.read_bytes()[:20_000])
    Image.new("RGB", (1500, 1000)).save(folder / "large.png")
    (folder / "notes.txt").write_text("not an image, and not called one")
    settings = Settings.model_validate({
        "lake": str(home / "lake"),
        "clip": {"model": tiny_clip(home / "tiny", seed=1)},
        "images": {"paths": [str(folder)], "maximum_megapixels": 1.0},
        "embedding": {"images_per_wave": 4, "images_per_task": 2},
    })  # fmt: skip
    (counts,) = run(settings, EmbedImages())
    assert (counts.rows_in, counts.rows_out, counts.rows_rejected) == (7, 2, 5)
    assert "1 files without an image's extension left out" in counts.message
    return settings


def lake_of(spark: SparkSession, settings: Settings) -> Lake:
    return Lake(spark, settings.lake, "look")


def by_name(rows: list[Row]) -> Mapping[str, Row]:
    return {Path(row.image_uri).name: row for row in rows}


def twin_left_out(spark: SparkSession, settings: Settings) -> str:
    """Tell which of two files of the same bytes was read later: their URIs' hashes decide."""
    rejected = lake_of(spark, settings).read(REJECTED_IMAGES).collect()
    (twin,) = TWINS & by_name(rejected).keys()
    return twin


def test_bad_images_are_rejected_by_reason_and_stop_nothing(
    spark: SparkSession, embedded: Settings
) -> None:
    rejected = by_name(lake_of(spark, embedded).read(REJECTED_IMAGES).collect())
    assert {name: row.reason for name, row in rejected.items()} == {
        "empty.jpg": "empty_file",
        "page.jpg": "not_an_image",
        "cut.png": "truncated",
        "large.png": "too_large",
        twin_left_out(spark, embedded): "duplicate_image",
    }
    assert rejected["large.png"].detail == "1500 x 1000 pixels"
    assert (
        rejected[twin_left_out(spark, embedded)].detail == sha256(CHELSEA.read_bytes()).hexdigest()
    )


def test_good_images_have_the_vector_the_model_gives(
    spark: SparkSession, embedded: Settings
) -> None:
    rows = by_name(lake_of(spark, embedded).read(IMAGE_EMBEDDINGS).collect())
    (twin,) = TWINS - {twin_left_out(spark, embedded)}
    assert set(rows) == {twin, "Kaffee, süß.PNG"}
    encoder = Models.of(embedded).clip_encoder()
    for name, path in ((twin, CHELSEA), ("Kaffee, süß.PNG", COFFEE)):
        image = Image.open(path).convert("RGB")
        (expected,) = encoder.encode_images([image])
        np.testing.assert_allclose(rows[name].embedding, expected, atol=1e-5)
        assert (rows[name].width, rows[name].height) == image.size
        assert rows[name].image_id == sha256(path.read_bytes()).hexdigest()
        assert rows[name].image_bytes == path.stat().st_size


def test_unchanged_files_are_not_read_again_and_changed_ones_are(
    spark: SparkSession, run: Run, embedded: Settings, tmp_path: Path
) -> None:
    copy, folder = tmp_path / "lake", Path(embedded.images.paths[0])
    shutil.copytree(embedded.lake, copy)
    settings = changed(embedded, lake=str(copy))
    lake = lake_of(spark, settings)
    cat = folder / "cat.png"
    kept = cat.stat()
    try:
        # Other bytes under the same size and time: who reads the file would see them.
        cat.write_bytes(bytes(kept.st_size))
        os.utime(cat, ns=(kept.st_atime_ns, kept.st_mtime_ns))
        (unchanged,) = run(settings, EmbedImages())
        assert unchanged.rows_in == 0
        shutil.copy(package_path("package:skimage/data/rocket.jpg"), cat)
        (again,) = run(settings, EmbedImages())
    finally:
        shutil.copy(CHELSEA, cat)
        os.utime(cat, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert (again.rows_in, again.rows_out, again.rows_rejected) == (1, 1, 0)
    assert lake.read(IMAGE_EMBEDDINGS).count() == 3


def test_images_of_a_table_are_read_and_missing_ones_named(
    spark: SparkSession, run: Run, embedded: Settings, tmp_path: Path
) -> None:
    known, elsewhere = (str(tmp_path / "absent.png"),), (str(CHELSEA),)
    uris = [(str(COFFEE),), (str(COFFEE),), known, elsewhere, (None,)]
    table = str(tmp_path / "uris")
    spark.createDataFrame(uris, "Picture string").write.format("delta").save(table)
    settings = changed(
        embedded, lake=str(tmp_path / "lake"), images__table=table, images__uri_column="picture",
        images__paths=[str(COFFEE), str(tmp_path)],
    )  # fmt: skip
    (counts,) = run(settings, EmbedImages())
    assert (counts.rows_in, counts.rows_out, counts.rows_rejected) == (3, 1, 2)
    rejected = by_name(lake_of(spark, settings).read(REJECTED_IMAGES).collect())
    assert {name: row.reason for name, row in rejected.items()} == {
        "absent.png": "unreadable",
        "chelsea.png": "outside_paths",
    }
    with pytest.raises(MissingInputError, match=r"where they may lie: set `images\.paths`"):
        run(changed(settings, images__paths=[]), EmbedImages())
    wrong = changed(settings, images__uri_column="uri")
    with pytest.raises(MissingInputError, match=r"no column 'uri': set `images\.uri_column`"):
        run(wrong, EmbedImages())


def test_a_picture_of_a_table_is_read_again_where_its_time_is_new(
    spark: SparkSession, run: Run, embedded: Settings, tmp_path: Path
) -> None:
    picture, table = tmp_path / "picture.png", str(tmp_path / "uris")
    settings = changed(
        embedded, lake=str(tmp_path / "lake"), images__table=table, images__paths=[str(tmp_path)],
        images__modified_column="Changed",
    )  # fmt: skip
    rows = []
    for content, day in ((CHELSEA, "2026-01-01"), (CHELSEA, "2026-01-01"), (COFFEE, "2026-01-02")):
        shutil.copy(content, picture)
        frame = spark.sql(f"SELECT '{picture}' AS image_uri, '{day}' AS changed")
        frame.write.format("delta").mode("overwrite").save(table)
        rows.append(run(settings, EmbedImages())[0].rows_out)
    assert rows == [1, 0, 1]
    with pytest.raises(MissingInputError, match=r"no column 'at': set `images\.modified_column`"):
        run(changed(settings, images__modified_column="at"), EmbedImages())


def test_refused_files_are_tried_again_where_that_is_asked_for(
    spark: SparkSession, run: Run, embedded: Settings, tmp_path: Path
) -> None:
    late, broken = tmp_path / "late.png", tmp_path / "broken.png"
    broken.write_text("no picture")
    table = str(tmp_path / "uris")
    uris = [(f"file://{late}",), (f"file:{broken}",), ("s3://bucket/cat.png",)]
    spark.createDataFrame(uris, "image_uri string").write.format("delta").save(table)
    settings = changed(
        embedded, lake=str(tmp_path / "lake"), images__table=table, images__paths=[str(tmp_path)]
    )
    lake = lake_of(spark, settings)
    run(settings, EmbedImages())
    rejected = by_name(lake.read(REJECTED_IMAGES).collect())
    assert {name: row.reason for name, row in rejected.items()} == {
        "late.png": "unreadable", "broken.png": "not_an_image", "cat.png": "outside_paths",
    }  # fmt: skip
    assert "address, not a path" in rejected["cat.png"].detail
    shutil.copy(COFFEE, late)
    broken.write_bytes(b"")
    (unasked,) = run(settings, EmbedImages())
    assert (unasked.rows_in, unasked.message) == (0, "nothing new, 3 images are refused")
    (asked,) = run(changed(settings, images__retry_rejected=True), EmbedImages())
    assert (asked.rows_in, asked.rows_out, asked.rows_rejected) == (3, 1, 2)
    (kept,) = lake.read(IMAGE_EMBEDDINGS).collect()
    assert kept.image_uri == str(late)
    rejected = by_name(lake.read(REJECTED_IMAGES).collect())
    assert {name: row.reason for name, row in rejected.items()} == {
        "broken.png": "empty_file", "cat.png": "outside_paths",
    }  # fmt: skip


def test_a_file_with_a_new_time_and_the_same_bytes_is_no_duplicate_of_itself(
    spark: SparkSession, run: Run, embedded: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "cups"
    folder.mkdir()
    file, twin = folder / "b.png", folder / "a.png"
    shutil.copy(COFFEE, file)
    settings = changed(embedded, lake=str(tmp_path / "lake"), images__paths=[str(folder)])
    lake = lake_of(spark, settings)
    run(settings, EmbedImages())
    shutil.copy(COFFEE, twin)
    run(settings, EmbedImages())
    for each in (file, twin):
        os.utime(each, (1, 1))
    run(settings, EmbedImages())
    (kept,) = lake.read(IMAGE_EMBEDDINGS).collect()
    assert (kept.image_uri, kept.modified_at.timestamp()) == (str(file), 1)
    copies = lake.read(REJECTED_IMAGES).collect()
    assert {(row.image_uri, row.reason) for row in copies} == {(str(twin), "duplicate_image")}
    (again,) = run(settings, EmbedImages())
    assert again.rows_in == 0


def test_a_large_run_has_so_many_waves_at_most(
    spark: SparkSession,
    run: Run,
    embedded: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("promptknn.images.embed_images._MOST_WAVES", 2)
    pictures = [package_path(f"package:skimage/data/{name}") for name in SIX]
    settings = changed(
        embedded, lake=str(tmp_path / "lake"), images__paths=pictures, embedding__images_per_wave=1
    )
    (counts,) = run(settings, EmbedImages())
    assert (counts.rows_out, counts.rows_rejected) == (len(SIX), 0)
    # The table was made by version 0; each wave is one commit more.
    assert lake_of(spark, settings).version(IMAGE_EMBEDDINGS) == 2


def test_no_images_is_said_with_the_key_to_set(run: Run, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"`images\.paths`"):
        run(Settings.model_validate({"lake": str(tmp_path / "lake")}), EmbedImages())
