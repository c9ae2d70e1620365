"""Checkpoints: weights, optimizer and place in the training, each folder whole or not there."""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from uuid import uuid4

import torch
from safetensors.torch import load_file, save_file

from promptknn.local_folder import local_folder
from promptknn.sequential_files import copy_files
from promptknn.training.objective import Objective

_FOLDER = "checkpoints"
_WEIGHTS, _OPTIMIZER, _PLACE = "weights.safetensors", "optimizer.pt", "place.json"


@dataclass
class Place:
    """Where a training stands.

    Attributes:
        step: steps done.
        refused: why pairs were left out, by the row's number as text (a key of JSON).
    """

    step: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def save_checkpoint(
    work: Path, objective: Objective, optimizer: torch.optim.Optimizer, place: Place, cache: Path
) -> None:
    """Write a checkpoint, then drop the ones before it.

    Args:
        work: takes it.
        objective: whose weights.
        optimizer: whose state.
        place: where the training stands.
        cache: of this host, where it is made first.
    """
    folder = work / _FOLDER / f"step-{place.step:09d}"
    partial = folder.with_name(f".{folder.name}-{uuid4().hex}")
    # Made here, then copied: safetensors does not write from the first byte to the last.
    with local_folder(cache) as here:
        save_file(_weights(objective), here / _WEIGHTS)
        torch.save(optimizer.state_dict(), here / _OPTIMIZER)
        (here / _PLACE).write_text(json.dumps(asdict(place)))
        copy_files(here, partial)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    for other in folder.parent.iterdir():
        if other != folder:
            shutil.rmtree(other)


def restore_checkpoint(work: Path, objective: Objective, optimizer: torch.optim.Optimizer) -> Place:
    """Load the newest checkpoint into the objective and the optimizer, if there is one."""
    folders = sorted((work / _FOLDER).glob("step-*"))
    if not folders:
        return Place()
    newest = folders[-1]
    with torch.no_grad():
        saved = load_file(newest / _WEIGHTS)
        for name, tensor in _tensors(objective).items():
            tensor.copy_(saved[name])
    state = torch.load(newest / _OPTIMIZER, map_location="cpu", weights_only=True)
    optimizer.load_state_dict(state)
    return Place(**json.loads((newest / _PLACE).read_text()))


def _tensors(objective: Objective) -> dict[str, torch.Tensor]:
    """Give what training changes: trained parameters, and buffers (batch statistics)."""
    buffers = {f"buffer.{name}": value for name, value in objective.model.named_buffers()}
    return {**dict(objective.named_parameters()), **buffers}


def _weights(objective: Objective) -> dict[str, torch.Tensor]:
    # Copies: safetensors refuses tensors that share memory, as tied weights do.
    return {
        name: tensor.detach().cpu().clone().contiguous()
        for name, tensor in _tensors(objective).items()
    }
