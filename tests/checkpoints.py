"""Small checkpoints with random weights, in the layout of published ones."""

import json
from collections.abc import Mapping
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

_CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {
        "context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1,
    },
}  # fmt: skip


def tiny_clip(folder: Path, seed: int, config: Mapping[str, object] = _CONFIG) -> str:
    """Write an open_clip checkpoint.

    Args:
        folder: is made where it is not there.
        seed: decides the weights.
        config: sizes of the towers, for images of 32 x 32 pixels.

    Returns:
        The model's name: `local-dir:` and the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model = open_clip.CLIP(**config)
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, str(folder / "open_clip_model.safetensors"))
    preprocess = {"size": 32, "mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]}
    whole = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(whole))
    return f"local-dir:{folder}"
