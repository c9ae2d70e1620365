import json
import os
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from promptknn.encoders.encoder import Vectors
from promptknn.encoders.open_clip import OpenClipEncoder, open_clip_identity
from promptknn.errors import ModelLoadError
from promptknn.settings import ClipSettings
from tests.checkpoints import tiny_clip
from tests.photographs import photograph

TEXTS = ["a cat", "a photo of a cup of coffee on a table", "a rocket " * 60, "x", "a cat"]
NAMES = ("chelsea", "coffee", "rocket")


def _folder(model: str) -> Path:
    return Path(model.removeprefix("local-dir:"))


def _unit(vectors: torch.Tensor) -> Vectors:
    return torch.nn.functional.normalize(vectors, dim=-1).numpy()


def test_vectors_are_those_of_open_clip(tiny_model: str) -> None:
    model, _, transform = open_clip.create_model_and_transforms(tiny_model)
    images = [photograph(name) for name in NAMES]
    with torch.inference_mode():
        texts = _unit(model.eval().encode_text(open_clip.get_tokenizer(tiny_model)(TEXTS)))
        pictures = _unit(model.encode_image(torch.stack([transform(image) for image in images])))
    encoder = OpenClipEncoder(ClipSettings(model=tiny_model))
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), texts, atol=1e-6)
    np.testing.assert_allclose(encoder.encode_images(images), pictures, atol=1e-6)


def test_vectors_are_float32_unit_rows(tiny_model: str) -> None:
    encoder = OpenClipEncoder(ClipSettings(model=tiny_model))
    for vectors in (encoder.encode_texts(TEXTS), encoder.encode_images([photograph("coffee")])):
        assert (vectors.dtype, vectors.shape[1]) == (np.float32, 16)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_the_batch_size_does_not_change_vectors(tiny_model: str) -> None:
    images = [photograph(name) for name in NAMES]
    small, large = (OpenClipEncoder(ClipSettings(model=tiny_model, batch_size=b)) for b in (2, 64))
    np.testing.assert_allclose(small.encode_texts(TEXTS), large.encode_texts(TEXTS), atol=1e-6)
    np.testing.assert_allclose(small.encode_images(images), large.encode_images(images), atol=1e-6)


def test_a_cpu_takes_few_images_at_once(tiny_model: str) -> None:
    sizes = (ClipSettings(model=tiny_model, batch_size=size) for size in (2, 64))
    assert [OpenClipEncoder(settings).images_at_once for settings in sizes] == [2, 8]


@pytest.mark.parametrize("name", ["ViT-B/32", "ViT-B-32"])
def test_a_model_has_one_identity_however_it_is_written(name: str) -> None:
    settings = ClipSettings(model=name, pretrained="openai")
    assert (settings.model, open_clip_identity(settings)) == ("ViT-B-32", "ViT-B-32/openai")


@pytest.mark.parametrize("name", ["hf-hub:maker/2b", "local-dir:/models/32"])
def test_places_of_models_stay_as_they_are_written(name: str) -> None:
    assert ClipSettings(model=name).model == name


def test_a_corrupt_checkpoint_is_named_with_the_cure(own_model: str) -> None:
    weights = _folder(own_model) / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelLoadError) as caught:
        OpenClipEncoder(ClipSettings(model=own_model))
    assert own_model in str(caught.value)
    assert "`clip.model` to local-dir:/folder" in str(caught.value)


@pytest.mark.parametrize("text", ["not json", "{}"])
def test_a_corrupt_configuration_is_named_with_the_cure(own_model: str, text: str) -> None:
    (_folder(own_model) / "open_clip_config.json").write_text(text)
    with pytest.raises(ModelLoadError, match=r"cannot be loaded .*set `clip\.model`"):
        OpenClipEncoder(ClipSettings(model=own_model))


def test_a_folder_without_weights_is_refused(own_model: str) -> None:
    (_folder(own_model) / "open_clip_model.safetensors").unlink()
    with pytest.raises(ModelLoadError, match="cannot be loaded"):
        OpenClipEncoder(ClipSettings(model=own_model))


class Bomb:
    """Makes a file where it is unpickled."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.made),)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_checkpoint_that_would_run_code_is_refused(
    own_model: str, tmp_path: Path, legacy: bool
) -> None:
    folder, made = _folder(own_model), tmp_path / "made"
    (folder / "open_clip_model.safetensors").unlink()
    config = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    (folder / "tiny-with-a-tag.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder / "tiny-with-a-tag.json")
    for settings, name in (
        (ClipSettings(model=own_model), "open_clip_pytorch_model.bin"),
        (ClipSettings(model="tiny-with-a-tag", pretrained=f"{folder}/bomb.pt"), "bomb.pt"),
    ):
        bomb = {"state_dict": Bomb(made)}
        torch.save(bomb, folder / name, _use_new_zipfile_serialization=not legacy)
        with pytest.raises(ModelLoadError, match=r"cannot be loaded \(UnpicklingError"):
            OpenClipEncoder(settings)
        assert not made.exists()


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(ModelLoadError, match=r"'ViT-Z-1'.*cannot be loaded"):
        OpenClipEncoder(ClipSettings(model="ViT-Z-1", pretrained="openai"))


def test_one_changed_weight_changes_the_identity(own_model: str) -> None:
    settings = ClipSettings(model=own_model)
    before = open_clip_identity(settings)
    file = _folder(own_model) / "open_clip_model.safetensors"
    weights = load_file(file)
    weights["logit_scale"] += 1e-3
    save_file(weights, file)
    assert open_clip_identity(settings) != before


def test_the_identity_is_the_content_not_the_place(own_model: str, tmp_path: Path) -> None:
    copy = tiny_clip(tmp_path / "elsewhere" / "own", seed=0)
    other = tiny_clip(tmp_path / "other" / "own", seed=1)
    identity = open_clip_identity(ClipSettings(model=own_model))
    assert identity.startswith("local-dir:own@")
    assert open_clip_identity(ClipSettings(model=copy)) == identity
    assert open_clip_identity(ClipSettings(model=other)) != identity


def test_a_missing_folder_is_named_with_the_cure(tmp_path: Path) -> None:
    settings = ClipSettings(model=f"local-dir:{tmp_path}/gone")
    with pytest.raises(ModelLoadError, match=r"gone is not there: set `clip\.model` to"):
        open_clip_identity(settings)


def test_a_published_model_is_named_with_its_tag() -> None:
    settings = ClipSettings(model="ViT-H-14", pretrained="laion2b_s32b_b79k")
    assert open_clip_identity(settings) == "ViT-H-14/laion2b_s32b_b79k"
    assert open_clip_identity(ClipSettings(model="hf-hub:a/b")) == "hf-hub:a/b"


def test_a_checkpoint_file_is_named_by_its_content(tmp_path: Path) -> None:
    file = tmp_path / "mine.pt"
    file.write_bytes(b"1")
    settings = ClipSettings(model="ViT-B-32", pretrained=str(file))
    before = open_clip_identity(settings)
    file.write_bytes(b"22")
    assert before.startswith("ViT-B-32/mine.pt@")
    assert open_clip_identity(settings) != before
