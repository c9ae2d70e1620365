import pickle
from pathlib import Path

import numpy as np
import pytest

from promptknn.encoders.models import Models
from promptknn.encoders.open_clip import OpenClipEncoder
from promptknn.encoders.package_default import PackageDefaultEncoder
from promptknn.errors import ModelLoadError
from promptknn.settings import Settings
from tests.checkpoints import tiny_clip


def _settings(model: str) -> Settings:
    return Settings.model_validate({"clip": {"model": model}})


def test_the_default_encodes_a_prompt_once() -> None:
    models = Models.of(Settings())
    assert models.text_tower_is_sentence_model
    assert isinstance(models.clip_encoder(), PackageDefaultEncoder)


def test_an_open_clip_model_has_a_text_tower_of_its_own(tiny_model: str) -> None:
    models = Models.of(_settings(tiny_model))
    assert not models.text_tower_is_sentence_model
    assert isinstance(models.clip_encoder(), OpenClipEncoder)
    assert models.sentence_identity == Models.of(Settings()).sentence_identity


def test_models_that_travelled_to_a_worker_are_loaded_once(tiny_model: str) -> None:
    models = Models.of(_settings(tiny_model))
    travelled = pickle.loads(pickle.dumps(models))
    assert travelled == models
    assert travelled.clip_encoder() is models.clip_encoder()
    assert travelled.sentence_encoder() is models.sentence_encoder()


def test_a_checkpoint_that_was_trained_on_is_loaded_anew(own_model: str) -> None:
    before = Models.of(_settings(own_model))
    old = before.clip_encoder().encode_texts(["a cat"])
    tiny_clip(Path(own_model.removeprefix("local-dir:")), seed=1)
    after = Models.of(_settings(own_model))
    assert after.clip_identity != before.clip_identity
    assert not np.allclose(after.clip_encoder().encode_texts(["a cat"]), old, atol=1e-3)


def test_a_missing_folder_fails_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="is not there"):
        Models.of(_settings(f"local-dir:{tmp_path}/gone"))
