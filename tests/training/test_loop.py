from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from promptknn.errors import ModelLoadError, TrainingDivergedError
from promptknn.settings import ClipSettings
from promptknn.training import loop
from promptknn.training.curves import Curves
from promptknn.training.loop import MODEL, TrainingJob, train
from promptknn.training.objective import Objective
from tests.training.small import load_head, same_weights, small_job

WEIGHTS = "open_clip_model.safetensors"
CHECKPOINTS = "checkpoints"


def trained(job: TrainingJob, file: str = WEIGHTS) -> dict[str, torch.Tensor]:
    return load_file(job.work / MODEL / file)


class KilledError(Exception):
    """What ends the process in these tests."""


def kill_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    done = 0
    real = loop.backward

    def dying(*arguments: object, **named: object) -> object:
        nonlocal done
        if done == steps:
            raise KilledError
        done += 1
        return real(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "backward", dying)


# Three steps an epoch; a checkpoint every two steps and at the end of each epoch: 2, 3, 4, 6.
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_killed_training_goes_on_and_ends_in_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    straight = small_job(tmp_path / "straight", checkpoint_steps=2)
    train(straight)
    killed = small_job(tmp_path / "killed", checkpoint_steps=2)
    with monkeypatch.context() as patch:
        kill_after(patch, steps)
        with pytest.raises(KilledError):
            train(killed)
    repeated = []
    real = loop.backward
    monkeypatch.setattr(loop, "backward", lambda *a, **n: repeated.append(a) or real(*a, **n))

    result = train(killed)

    assert len(repeated) == 6 - {1: 0, 2: 2, 5: 4}[steps]
    assert result.steps == 6
    assert same_weights(trained(killed), trained(straight))
    assert same_weights(trained(killed, "head.safetensors"), trained(straight, "head.safetensors"))
    assert Curves(killed.work).table().equals(Curves(straight.work).table())


def test_training_moves_the_weights_and_lowers_the_loss(tmp_path: Path) -> None:
    job = small_job(tmp_path, epochs=8)

    train(job)

    losses = Curves(job.work).table().to_pandas()
    train_losses = losses[losses.split == "train"].loss.to_numpy()
    assert not same_weights(trained(job), load_file(tmp_path / "base" / WEIGHTS))
    assert train_losses[-3:].mean() < train_losses[:3].mean() - 0.1


def test_micro_batches_change_only_the_rounding(tmp_path: Path) -> None:
    whole, parts = small_job(tmp_path / "whole"), small_job(tmp_path / "parts", micro_batch_size=2)

    train(whole)
    train(parts)

    expected, found = trained(whole), trained(parts)
    for name, value in expected.items():
        assert torch.allclose(found[name], value, atol=2e-4), name


def test_learning_rate_warms_up_then_follows_a_cosine(tmp_path: Path) -> None:
    job = small_job(tmp_path, epochs=4, warmup_share=0.25, learning_rate=1e-3)

    train(job)

    losses = Curves(job.work).table().to_pandas()
    rates = losses[losses.split == "train"].learning_rate.to_numpy()
    rest = 0.5 * (1 + np.cos(np.pi * np.arange(9) / 9))
    assert rates == pytest.approx(1e-3 * np.concatenate([[1 / 3, 2 / 3, 1], rest]))


def test_curves_hold_every_step_and_one_validation_an_epoch(tmp_path: Path) -> None:
    job = small_job(tmp_path)

    train(job)

    losses = Curves(job.work).table().to_pandas()
    validation = losses[losses.split == "validation"]
    assert losses[losses.split == "train"].step.tolist() == [1, 2, 3, 4, 5, 6]
    assert losses[losses.split == "train"].pairs.sum() == 2 * 16
    assert validation.epoch.tolist() == [1, 2]
    assert validation.pairs.tolist() == [4, 4]
    assert losses.loss.to_numpy() == pytest.approx(losses.contrastive_loss + losses.sentence_loss)


def test_bad_images_are_counted_once_and_stop_nothing(tmp_path: Path) -> None:
    job = small_job(tmp_path)
    pictures = tmp_path / "pictures"
    (pictures / "0003.png").unlink()
    (pictures / "0005.png").write_text("no picture")
    (pictures / "0018.png").write_text("no picture either")

    result = train(job)

    assert result.refused == (("not_an_image", 2), ("unreadable", 1))
    losses = Curves(job.work).table().to_pandas()
    assert losses[losses.split == "train"].pairs.sum() == 2 * 14


def test_sentence_objective_leaves_the_text_tower_alone(tmp_path: Path) -> None:
    job = small_job(tmp_path, objective="sentence", weight_decay=0.5)

    train(job)

    before, after = load_file(tmp_path / "base" / WEIGHTS), trained(job)
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert moved
    assert all(name.startswith("visual.") for name in moved)
    assert load_head(job.work / MODEL).weight.shape == (8, 16)


def test_contrastive_objective_trains_no_head(tmp_path: Path) -> None:
    job = small_job(tmp_path, objective="contrastive")

    train(job)

    assert not (job.work / MODEL / "head.safetensors").exists()
    assert Curves(job.work).table().column("sentence_loss").null_count == 8


def test_diverging_training_names_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Objective.losses

    def broken(self: Objective, *arguments: object) -> dict[str, torch.Tensor]:
        losses = real(self, *arguments)  # type: ignore[arg-type]
        return {name: loss * float("nan") for name, loss in losses.items()}

    monkeypatch.setattr(Objective, "losses", broken)

    result = train(small_job(tmp_path))

    assert isinstance(result.failure, TrainingDivergedError)
    assert "training.learning_rate" in str(result.failure)


def test_unloadable_model_is_a_failure_not_a_trace(tmp_path: Path) -> None:
    job = replace(small_job(tmp_path), clip=ClipSettings(model=f"local-dir:{tmp_path / 'none'}"))

    result = train(job)

    assert isinstance(result.failure, ModelLoadError)
    assert "clip.model" in str(result.failure)


def test_only_the_newest_checkpoint_stays(tmp_path: Path) -> None:
    job = small_job(tmp_path, checkpoint_steps=1)

    train(job)

    assert [folder.name for folder in (tmp_path / CHECKPOINTS).iterdir()] == ["step-000000006"]
