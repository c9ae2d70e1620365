import json
from pathlib import Path

import numpy as np
import open_clip
import torch

from promptknn.encoders.encoder import unit
from promptknn.encoders.open_clip import OpenClipEncoder, load_open_clip
from promptknn.settings import ClipSettings
from promptknn.training.export import export, origin_of
from promptknn.training.head import new_head
from tests.checkpoints import tiny_clip
from tests.pictures import all_scenes
from tests.training.small import load_head


def exported(
    folder: Path, quick_gelu: bool = False, base: Path | None = None
) -> tuple[open_clip.CLIP, ClipSettings]:
    """Change a tiny model, then export it."""
    before = ClipSettings(model=tiny_clip(base or folder / "base", seed=0))
    model, _, tokenizer = load_open_clip(before, torch.device("cpu"))
    if quick_gelu:
        for block in model.visual.transformer.resblocks:
            block.mlp.gelu = open_clip.transformer.QuickGELU()
    with torch.no_grad():
        model.visual.proj.add_(torch.randn_like(model.visual.proj))
    head = new_head(16, 8, seed=0)
    cache = (base or folder / "base").with_name("cache")
    export(model, head, tokenizer, before, {"training_run": "abc"}, folder / "model", cache)
    return model.eval(), ClipSettings(model=f"local-dir:{folder / 'model'}")


def test_exported_model_is_the_trained_one(tmp_path: Path) -> None:
    model, settings = exported(tmp_path)
    pictures = [scene.picture(np.random.default_rng(0)) for scene in all_scenes()[:3]]
    prompts = [scene.prompt for scene in all_scenes()[:3]]
    _, transform, tokenizer = load_open_clip(settings, torch.device("cpu"))

    encoder = OpenClipEncoder(settings)

    with torch.inference_mode():
        images = model.encode_image(torch.stack([transform(one) for one in pictures]))
        texts = model.encode_text(tokenizer(prompts))
    assert np.allclose(encoder.encode_images(pictures), unit(images.numpy()), atol=1e-6)
    assert np.allclose(encoder.encode_texts(prompts), unit(texts.numpy()), atol=1e-6)


def test_activation_that_the_configuration_hides_is_written_down(tmp_path: Path) -> None:
    exported(tmp_path, quick_gelu=True)

    config = json.loads((tmp_path / "model" / "open_clip_config.json").read_text())

    assert config["model_cfg"]["quick_gelu"] is True
    assert config["preprocess_cfg"]["mean"] == [0.48, 0.46, 0.41]


def test_head_lies_beside_the_model(tmp_path: Path) -> None:
    exported(tmp_path)

    head = load_head(tmp_path / "model")

    assert torch.equal(head.weight, new_head(16, 8, seed=0).weight)


def test_new_model_replaces_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "left.txt").write_text("of an older model")

    exported(tmp_path)

    assert not (tmp_path / "model" / "left.txt").exists()
    assert origin_of(tmp_path / "model") == {"training_run": "abc"}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_volume_takes_the_model(tmp_path: Path, volume: Path) -> None:
    exported(volume, base=tmp_path / "base")
    files = {file.name for file in (volume / "model").iterdir()}
    assert {"open_clip_model.safetensors", "head.safetensors", "training.json"} < files
    assert load_head(volume / "model").weight.shape == (8, 16)


def test_folder_without_a_training_has_no_origin(tmp_path: Path) -> None:
    assert origin_of(tmp_path) == {}
