from pathlib import Path

import torch

from promptknn.encoders.open_clip import load_open_clip
from promptknn.settings import ClipSettings
from promptknn.training.checkpoint import Place, restore_checkpoint, save_checkpoint
from promptknn.training.objective import Objective
from promptknn.training.settings import TrainingSettings
from tests.checkpoints import tiny_clip
from tests.training.small import SENTENCE_DIM, same_weights

PLACE = Place(step=3, refused={"7": "unreadable"})


def _objective(base: Path, seed: int) -> tuple[Objective, torch.optim.Optimizer]:
    model, _, _ = load_open_clip(
        ClipSettings(model=tiny_clip(base, seed=seed)), torch.device("cpu")
    )
    objective = Objective(model, TrainingSettings(objective="both", seed=seed), SENTENCE_DIM)
    parameters = [parameter for _, parameter in objective.named_parameters()]
    return objective, torch.optim.AdamW(parameters, lr=0.1 * (seed + 1))


def _weights(objective: Objective) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in objective.named_parameters()}


def test_a_volume_takes_a_checkpoint_and_gives_it_back(tmp_path: Path, volume: Path) -> None:
    saved, optimizer = _objective(tmp_path / "saved", seed=0)
    save_checkpoint(volume, saved, optimizer, PLACE)
    other, its_optimizer = _objective(tmp_path / "other", seed=1)
    assert restore_checkpoint(volume, other, its_optimizer) == PLACE
    assert its_optimizer.param_groups[0]["lr"] == 0.1
    assert same_weights(_weights(other), _weights(saved))


def test_without_a_checkpoint_a_training_starts_at_the_start(tmp_path: Path) -> None:
    objective, optimizer = _objective(tmp_path / "base", seed=0)
    before = _weights(objective)
    assert restore_checkpoint(tmp_path, objective, optimizer) == Place()
    assert same_weights(_weights(objective), before)


def test_a_checkpoint_replaces_those_before_and_one_that_was_not_finished(tmp_path: Path) -> None:
    objective, optimizer = _objective(tmp_path / "base", seed=0)
    (tmp_path / "checkpoints" / ".step-000000002-unfinished").mkdir(parents=True)
    for step in (3, 4, 4):
        save_checkpoint(tmp_path, objective, optimizer, Place(step))
    assert [folder.name for folder in (tmp_path / "checkpoints").iterdir()] == ["step-000000004"]
    assert restore_checkpoint(tmp_path, objective, optimizer).step == 4
