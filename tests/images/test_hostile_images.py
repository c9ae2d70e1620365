import os
import resource
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from promptknn.encoders.models import Models
from promptknn.images.decoding import RefusedImageError, decode
from promptknn.images.embed_images import EmbedImages
from promptknn.images.reading import read_image, roots_of
from promptknn.lake import Lake
from promptknn.settings import Settings
from promptknn.tables import IMAGE_EMBEDDINGS, REJECTED_IMAGES
from tests.checkpoints import tiny_clip
from tests.conftest import Run
from tests.hostile_images import EMBEDDED, ROTATED, HostileImages, write_hostile_images

MEGAPIXELS = 178.0
LONGEST_SECONDS, MOST_KILOBYTES = 20.0, 200_000


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> HostileImages:
    return write_hostile_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def settings(run: Run, images: HostileImages, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of a run over the whole folder."""
    home = tmp_path_factory.mktemp("lake")
    settings = Settings.model_validate({
        "lake": str(home / "lake"),
        "clip": {"model": tiny_clip(home / "tiny", seed=1)},
        "images": {"paths": [str(images.folder)]},
    })  # fmt: skip
    run(settings, EmbedImages())
    return settings


def found(spark: SparkSession, settings: Settings, images: HostileImages) -> dict[str, str]:
    lake = Lake(spark, settings.lake, "look")
    embedded = [(row.image_uri, EMBEDDED) for row in lake.read(IMAGE_EMBEDDINGS).collect()]
    refused = [(row.image_uri, row.reason) for row in lake.read(REJECTED_IMAGES).collect()]
    names = [(os.path.relpath(uri, images.folder), end) for uri, end in [*embedded, *refused]]
    assert len(dict(names)) == len(names)
    return dict(names)


def test_each_of_40_kinds_ends_in_one_table_for_one_reason(
    spark: SparkSession, settings: Settings, images: HostileImages
) -> None:
    assert len(images.expected) >= 40
    assert found(spark, settings, images) == images.expected


def test_good_images_have_the_vectors_they_have_without_the_bad_ones(
    spark: SparkSession, settings: Settings, images: HostileImages
) -> None:
    encoder = Models.of(settings).clip_encoder()
    rows = Lake(spark, settings.lake, "look").read(IMAGE_EMBEDDINGS).collect()
    for row in rows:
        image = decode(Path(row.image_uri).read_bytes(), MEGAPIXELS)
        np.testing.assert_allclose(row.embedding, encoder.encode_images([image])[0], atol=1e-5)
        assert (row.width, row.height) == image.size
    (rotated,) = [row for row in rows if Path(row.image_uri).name == ROTATED]
    (expected,) = encoder.encode_images([images.upright])
    np.testing.assert_allclose(rotated.embedding, expected, atol=1e-5)


def test_no_name_or_content_is_run(
    spark: SparkSession, settings: Settings, images: HostileImages
) -> None:
    assert "$(touch made) `touch made`.png" in found(spark, settings, images)
    for folder in (Path.cwd(), images.folder, Path.home()):
        assert not (folder / "made").exists()


def test_time_and_memory_of_each_image_are_bounded(images: HostileImages) -> None:
    roots = roots_of([str(images.folder)])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = {}
    for name in images.expected:
        started = time.perf_counter()
        with suppress(RefusedImageError):
            decode(read_image(str(images.folder / name), roots, MEGAPIXELS), MEGAPIXELS)
        seconds[name] = time.perf_counter() - started
    assert max(seconds.values()) < LONGEST_SECONDS, max(seconds, key=lambda name: seconds[name])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_KILOBYTES
