from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from promptknn.encoders.encoder import Pixels, Vectors, unit
from promptknn.errors import InvalidVectorError
from promptknn.images.file_embedding import embed_files


class NoNumbers:
    """Stands for a CLIP model that gives no number for dark pictures."""

    def __init__(self, images_at_once: int = 8) -> None:
        self.images_at_once = images_at_once
        self.encoded: list[int] = []

    def clip_encoder(self) -> "NoNumbers":
        return self

    def prepare(self, image: Image.Image) -> Pixels:
        return np.asarray(image)

    def encode_pixels(self, pixels: Sequence[Pixels]) -> Vectors:
        self.encoded.append(len(pixels))
        means = [each.mean() for each in pixels]
        return unit(np.array([[mean or np.nan, 1] for mean in means], np.float32))


def embedded_greys(
    folder: Path, *greys: int, model: NoNumbers | None = None
) -> list[tuple[str | None, bool]]:
    """Embed pictures of one grey each: the reason, and whether there is a vector."""
    for number, grey in enumerate(greys):
        Image.new("L", (8 + number, 8), grey).save(folder / f"{number}.png")
    uris = sorted(str(file) for file in folder.iterdir())
    columns = {"image_uri": uris, "image_bytes": [1] * len(uris), "modified_at": [0] * len(uris)}
    models: Any = model or NoNumbers()
    rows = embed_files(models, [str(folder)], 1.0)(iter([pa.RecordBatch.from_pydict(columns)]))
    found = pa.Table.from_batches(rows).to_pylist()
    return [(row["reason"], row["embedding"] is not None) for row in found]


def test_a_picture_without_a_usable_vector_is_rejected_alone(tmp_path: Path) -> None:
    assert embedded_greys(tmp_path, 200, 0, 100) == [
        (None, True), ("invalid_vector", False), (None, True),
    ]  # fmt: skip


def test_the_encoder_gets_as_many_pictures_as_fill_its_device(tmp_path: Path) -> None:
    model = NoNumbers(images_at_once=3)
    assert embedded_greys(tmp_path, *range(1, 9), model=model) == [(None, True)] * 8
    assert model.encoded == [3, 3, 2]


def test_a_model_without_any_usable_vector_stops_the_job(tmp_path: Path) -> None:
    with pytest.raises(InvalidVectorError, match="check the model's weights"):
        embedded_greys(tmp_path, 0, 0)
