"""The result of a training: a folder that `clip.model: local-dir:...` takes."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import open_clip
import torch
from open_clip.constants import HF_CONFIG_NAME, HF_SAFE_WEIGHTS_NAME
from open_clip.push_to_hf_hub import save_config_for_hf
from open_clip.transformer import QuickGELU
from safetensors.torch import save_file

from promptknn.encoders.open_clip import Tokenizer
from promptknn.local_folder import local_folder
from promptknn.sequential_files import copy_files
from promptknn.settings import ClipSettings
from promptknn.training.head import save_head

ORIGIN = "training.json"


def export(
    model: open_clip.CLIP,
    head: torch.nn.Linear | None,
    tokenizer: Tokenizer,
    clip: ClipSettings,
    origin: Mapping[str, object],
    folder: Path,
    cache: Path,
) -> None:
    """Write an open_clip checkpoint, and the regression head beside it.

    Args:
        model: the trained model.
        head: the trained head, where the objective has one.
        tokenizer: written too where the model's is not open_clip's own.
        clip: names the model the training started from.
        origin: what training.json says of the training; the same for the same training.
        folder: takes open_clip_config.json, open_clip_model.safetensors, training.json and
            head.safetensors; it appears whole, and replaces the one before.
        cache: of this host, where it is made first.
    """
    partial = folder.with_name(f".{folder.name}-{uuid4().hex}")
    # Made here, then copied: safetensors does not write from the first byte to the last.
    with local_folder(cache) as here:
        config = open_clip.get_model_config(clip.model)
        # open_clip turns it on for checkpoints that need it, without a word in the configuration.
        config["quick_gelu"] = any(isinstance(module, QuickGELU) for module in model.modules())
        save_config_for_hf(model, here / HF_CONFIG_NAME, config)
        weights = {
            name: value.detach().cpu().clone().contiguous()
            for name, value in model.state_dict().items()
        }
        save_file(weights, here / HF_SAFE_WEIGHTS_NAME)
        if isinstance(tokenizer, open_clip.tokenizer.HFTokenizer):
            tokenizer.save_pretrained(here)
        if head is not None:
            save_head(head, here)
        (here / ORIGIN).write_text(json.dumps(dict(origin), indent=2, sort_keys=True))
        copy_files(here, partial)
    replace_folder(partial, folder)


def replace_folder(new: Path, place: Path) -> None:
    """Move a whole folder to a place where another may be."""
    old = place.with_name(f".{place.name}-{uuid4().hex}")
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def origin_of(folder: Path) -> dict[str, object]:
    """Read training.json; empty where there is none."""
    file = folder / ORIGIN
    return dict(json.loads(file.read_text())) if file.is_file() else {}
