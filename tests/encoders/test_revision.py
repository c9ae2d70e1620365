import shutil
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

from promptknn.encoders.open_clip import OpenClipEncoder, open_clip_identity
from promptknn.encoders.revision import revision_folder, sentence_repository
from promptknn.encoders.sentence import SentenceEncoder, local_folder, sentence_identity
from promptknn.errors import ModelLoadError, SettingsError
from promptknn.settings import ClipSettings, SentenceSettings
from tests.checkpoints import tiny_clip

FIRST, SECOND = "1" * 40, "2" * 40
TEXTS = ["a cat", "a photo of a cup of coffee"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of a machine that asks no hub."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path


def snapshot(cache: Path, repository: str, commit: str) -> Path:
    return cache / f"models--{repository.replace('/', '--')}" / "snapshots" / commit


def test_each_revision_of_a_clip_model_has_its_own_weights_and_name(cache: Path) -> None:
    vectors, names = [], []
    for seed, commit in enumerate((FIRST, SECOND)):
        here = tiny_clip(snapshot(cache, "maker/tiny", commit), seed)
        settings = ClipSettings(model="hf-hub:maker/tiny", revision=commit)
        vectors.append(OpenClipEncoder(settings).encode_texts(TEXTS))
        expected = OpenClipEncoder(ClipSettings(model=here)).encode_texts(TEXTS)
        np.testing.assert_array_equal(vectors[-1], expected)
        names.append(open_clip_identity(settings))
    assert names == [f"hf-hub:maker/tiny@{commit}" for commit in (FIRST, SECOND)]
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3


def test_a_revision_of_a_sentence_model_is_loaded_from_its_folder(cache: Path) -> None:
    packaged = local_folder("all-MiniLM-L6-v2")
    assert packaged is not None
    place = snapshot(cache, "maker/sentences", FIRST)
    place.parent.mkdir(parents=True)
    shutil.copytree(packaged, place, copy_function=lambda a, b: Path(b).symlink_to(a))
    settings = SentenceSettings(model="maker/sentences", revision=FIRST)
    found = SentenceEncoder(settings).encode_texts(TEXTS)
    np.testing.assert_array_equal(found, SentenceEncoder(SentenceSettings()).encode_texts(TEXTS))
    assert sentence_identity(settings) == f"maker/sentences@{FIRST}"


def test_a_revision_that_is_nowhere_is_one_sentence(cache: Path) -> None:
    tiny_clip(snapshot(cache, "maker/tiny", FIRST), seed=0)
    assert revision_folder("maker/tiny", FIRST).name == FIRST
    with pytest.raises(ModelLoadError, match=r"^The CLIP model 'hf-hub:maker/tiny' .* cannot be"):
        OpenClipEncoder(ClipSettings(model="hf-hub:maker/tiny", revision=SECOND))
    with pytest.raises(ModelLoadError, match=r"^The sentence model 'maker/tiny' cannot be loaded"):
        SentenceEncoder(SentenceSettings(model="maker/tiny", revision=SECOND))


def test_a_model_that_is_not_of_the_hub_has_no_revision(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"clip\.revision .* hf-hub:maker/model"):
        open_clip_identity(ClipSettings(model=f"local-dir:{tmp_path}", revision=FIRST))
    with pytest.raises(SettingsError, match=r"sentence\.revision .* leave it out"):
        sentence_identity(SentenceSettings(revision=FIRST))


def test_a_bare_name_is_a_repository_of_its_makers() -> None:
    assert sentence_repository("all-mpnet-base-v2") == "sentence-transformers/all-mpnet-base-v2"
    assert sentence_repository("maker/model") == "maker/model"
