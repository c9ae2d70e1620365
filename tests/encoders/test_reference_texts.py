from pathlib import Path

import numpy as np
import pytest

from promptknn.encoders.encoder import Vectors
from promptknn.encoders.reference_texts import reference_vectors

TEXTS = ["a cat", "a dog"]
VECTORS = np.arange(6, dtype=np.float32).reshape(2, 3)


def never() -> Vectors:
    raise AssertionError("embedded again")


def test_texts_are_embedded_once_for_a_model(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert reference_vectors(cache, "model@1", TEXTS, lambda: VECTORS) is VECTORS
    np.testing.assert_array_equal(reference_vectors(cache, "model@1", TEXTS, never), VECTORS)
    for identity, texts in (("model@2", TEXTS), ("model@1", TEXTS[::-1]), ("model@1", TEXTS[:1])):
        with pytest.raises(AssertionError, match="embedded again"):
            reference_vectors(cache, identity, texts, never)
    assert [file.suffix for file in cache.iterdir()] == [".npy"]


def test_a_cut_file_is_written_anew(tmp_path: Path) -> None:
    reference_vectors(tmp_path, "model@1", TEXTS, lambda: VECTORS)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-4])
    assert reference_vectors(tmp_path, "model@1", TEXTS, lambda: VECTORS) is VECTORS
    np.testing.assert_array_equal(reference_vectors(tmp_path, "model@1", TEXTS, never), VECTORS)


def test_a_place_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    found = reference_vectors(tmp_path / "file" / "cache", "model@1", TEXTS, lambda: VECTORS)
    assert found is VECTORS


def test_what_a_killed_job_left_is_removed(tmp_path: Path) -> None:
    reference_vectors(tmp_path, "model@1", TEXTS, lambda: VECTORS)
    (file,) = tmp_path.iterdir()
    file.rename(tmp_path / f".{file.stem}-0123.npy")
    (tmp_path / ".reference-of-another-model-0123.npy").touch()
    reference_vectors(tmp_path, "model@1", TEXTS, lambda: VECTORS)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {file.name, ".reference-of-another-model-0123.npy"}
