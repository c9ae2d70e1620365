from pathlib import Path

import pytest
import torch

from promptknn.encoders.open_clip import load_open_clip
from promptknn.settings import ClipSettings
from promptknn.training.checkpoint import Place, restore_checkpoint, save_checkpoint
from promptknn.training.objective import Objective
from promptknn.training.settings import TrainingSettings
from tests.checkpoints import tiny_clip
from tests.training.small import SENTENCE_DIM

Training = tuple[Objective, torch.optim.AdamW]


@pytest.fixture
def base(tmp_path: Path) -> str:
    """The model that trainings start from."""
    return tiny_clip(tmp_path / "base", seed=0)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The host's cache, where checkpoints are made before they are copied."""
    return tmp_path / "cache"


def training(base: str) -> Training:
    """Start a training of a model that has statistics of batches, too."""
    model, _, _ = load_open_clip(ClipSettings(model=base), torch.device("cpu"))
    model.statistics = torch.nn.BatchNorm1d(4)
    objective = Objective(model, TrainingSettings(objective="both"), SENTENCE_DIM)
    parameters = [parameter for _, parameter in objective.named_parameters()]
    return objective, torch.optim.AdamW(parameters, lr=0.1)


def step(objective: Objective, optimizer: torch.optim.Optimizer) -> None:
    """Change all that a step of a training changes."""
    for number, (_, parameter) in enumerate(objective.named_parameters()):
        parameter.grad = torch.full_like(parameter, float(number + 1))
    optimizer.step()
    objective.model.statistics(torch.arange(12.0).reshape(3, 4))


def tensors(objective: Objective) -> dict[str, torch.Tensor]:
    named = {**dict(objective.named_parameters()), **dict(objective.model.named_buffers())}
    return {name: tensor.detach().clone() for name, tensor in named.items()}


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert [name for name in found if not torch.equal(found[name], expected[name])] == []


def test_a_restored_training_goes_on_as_the_one_that_was_saved(
    base: str, tmp_path: Path, cache: Path
) -> None:
    objective, optimizer = training(base)
    step(objective, optimizer)
    save_checkpoint(tmp_path, objective, optimizer, Place(7, {"3": "unreadable"}), cache)
    assert list(cache.iterdir()) == []
    again, its_optimizer = training(base)

    place = restore_checkpoint(tmp_path, again, its_optimizer)

    assert place == Place(7, {"3": "unreadable"})
    assert_same(tensors(again), tensors(objective))
    # AdamW's next step depends on what it kept of the steps before.
    step(objective, optimizer)
    step(again, its_optimizer)
    assert_same(tensors(again), tensors(objective))


def test_without_a_checkpoint_nothing_is_changed(base: str, tmp_path: Path) -> None:
    objective, optimizer = training(base)
    before = tensors(objective)
    assert restore_checkpoint(tmp_path, objective, optimizer) == Place(0, {})
    assert_same(tensors(objective), before)


def test_a_checkpoint_that_was_cut_off_is_not_read_and_goes_with_the_next(
    base: str, tmp_path: Path, cache: Path
) -> None:
    objective, optimizer = training(base)
    step(objective, optimizer)
    save_checkpoint(tmp_path, objective, optimizer, Place(1), cache)
    cut = tmp_path / "checkpoints" / ".step-000000002-of-a-killed-process"
    cut.mkdir()
    (cut / "weights.safetensors").write_bytes(b"half of th")

    assert restore_checkpoint(tmp_path, objective, optimizer).step == 1
    save_checkpoint(tmp_path, objective, optimizer, Place(10), cache)

    assert [folder.name for folder in (tmp_path / "checkpoints").iterdir()] == ["step-000000010"]
    assert restore_checkpoint(tmp_path, objective, optimizer).step == 10


def test_the_same_step_is_saved_again(base: str, tmp_path: Path, cache: Path) -> None:
    objective, optimizer = training(base)
    save_checkpoint(tmp_path, objective, optimizer, Place(1), cache)
    step(objective, optimizer)
    save_checkpoint(tmp_path, objective, optimizer, Place(1), cache)
    again, its_optimizer = training(base)
    restore_checkpoint(tmp_path, again, its_optimizer)
    assert_same(tensors(again), tensors(objective))


def test_a_volume_takes_a_checkpoint_and_gives_it_back(
    base: str, volume: Path, cache: Path
) -> None:
    objective, optimizer = training(base)
    step(objective, optimizer)
    save_checkpoint(volume, objective, optimizer, Place(3), cache)
    again, its_optimizer = training(base)
    assert restore_checkpoint(volume, again, its_optimizer) == Place(3)
    assert_same(tensors(again), tensors(objective))
