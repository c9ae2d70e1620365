import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sentence_transformers import SentenceTransformer

from promptknn.encoders.sentence import (
    SentenceEncoder,
    local_folder,
    sentence_encoder,
    sentence_identity,
)
from promptknn.errors import ModelLoadError
from promptknn.settings import CleaningSettings, SentenceSettings
from tests.hostile_texts import hostile_texts

DEFAULT = SentenceSettings()
TEXTS = [
    "a photo of a cat on a sofa",
    "a kitten sleeping on a couch",
    "rockets",
    "an oil painting of a lighthouse at dusk, dramatic light, trending on artstation " * 3,
    "a b c",
]


class ModelOnGpu:
    """Stands for a model on a GPU: notes its batches, and gives vectors of 16 bits."""

    device = torch.device("cuda")

    def __init__(self) -> None:
        self.batches: list[tuple[list[str], int]] = []

    def encode(self, texts: list[str], batch_size: int, **_: object) -> npt.NDArray[np.float16]:
        self.batches.append((texts, batch_size))
        return np.ones((len(texts), 4), np.float16)


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return sentence_encoder(DEFAULT, sentence_identity(DEFAULT))


def test_vectors_are_those_of_the_model_in_the_order_of_the_texts(
    encoder: SentenceEncoder,
) -> None:
    model = SentenceTransformer(str(local_folder(DEFAULT.model)), device="cpu")
    expected = np.stack([model.encode(text, normalize_embeddings=True) for text in TEXTS])
    found = encoder.encode_texts(TEXTS)
    assert (found.dtype, found.shape) == (np.float32, (5, 384))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_the_batch_size_does_not_change_vectors(encoder: SentenceEncoder) -> None:
    small = SentenceEncoder(SentenceSettings(batch_size=2))
    np.testing.assert_allclose(small.encode_texts(TEXTS), encoder.encode_texts(TEXTS), atol=1e-5)


def test_no_text_gives_no_vector(encoder: SentenceEncoder) -> None:
    assert encoder.encode_texts([]).shape == (0, 384)


def test_texts_that_mean_the_same_are_nearer(encoder: SentenceEncoder) -> None:
    cat, kitten, rockets, *_ = encoder.encode_texts(TEXTS)
    assert cat @ kitten > 0.6 > 0.3 > cat @ rockets


def test_both_names_of_the_packaged_model_are_one_model() -> None:
    full = SentenceSettings(model="sentence-transformers/all-MiniLM-L6-v2")
    assert sentence_identity(full) == sentence_identity(DEFAULT)
    assert sentence_identity(DEFAULT).startswith("all-MiniLM-L6-v2@")


def test_a_name_of_the_hub_is_its_own_identity() -> None:
    assert local_folder("intfloat/e5-small-v2") is None
    assert sentence_identity(SentenceSettings(model="intfloat/e5-small-v2")) == (
        "intfloat/e5-small-v2"
    )


def test_a_folder_is_named_with_the_fingerprint_of_its_content(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"1")
    settings = SentenceSettings(model=str(folder))
    first = sentence_identity(settings)
    (folder / "model.safetensors").write_bytes(b"22")
    assert first.startswith("mine@")
    assert sentence_identity(settings) != first


def test_a_copied_model_is_loaded_from_its_folder(tmp_path: Path, encoder: SentenceEncoder) -> None:
    packaged = local_folder(DEFAULT.model)
    assert packaged is not None
    shutil.copytree(packaged, tmp_path / "copy")
    copied = SentenceEncoder(SentenceSettings(model=str(tmp_path / "copy")))
    np.testing.assert_array_equal(copied.encode_texts(TEXTS[:1]), encoder.encode_texts(TEXTS[:1]))


def test_a_folder_without_a_model_is_named_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("no json")
    with pytest.raises(ModelLoadError, match=r"cannot be loaded .*set `sentence\.model` to a"):
        SentenceEncoder(SentenceSettings(model=str(tmp_path)))


def test_an_encoder_is_loaded_once(encoder: SentenceEncoder) -> None:
    assert sentence_encoder(DEFAULT, sentence_identity(DEFAULT)) is encoder


def test_hostile_texts_have_vectors_of_numbers(encoder: SentenceEncoder, tmp_path: Path) -> None:
    made = tmp_path / "made"
    # As long as cleaning lets them be, and without halves of pairs, which reach no table.
    texts = [
        text.encode("utf-8", "replace").decode()
        for kind in hostile_texts(made).values()
        for text in kind
        if len(text) <= CleaningSettings().maximum_characters
    ]
    vectors = encoder.encode_texts(texts)
    assert vectors.shape == (len(texts), 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert not made.exists()


@pytest.mark.filterwarnings("ignore:CUDA is not available")
def test_a_gpu_gets_texts_of_all_lengths_together(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, model = SentenceEncoder(SentenceSettings(batch_size=3)), ModelOnGpu()
    monkeypatch.setattr(encoder, "_model", model)
    found = encoder.encode_texts(TEXTS)
    assert model.batches == [(TEXTS, 3)]
    np.testing.assert_array_equal(found, np.full((5, 4), 0.5, np.float32))
    assert found.dtype == np.float32
