import os
import socket
from pathlib import Path

import pytest
import torch
from torch import multiprocessing

from promptknn.encoders.open_clip import load_open_clip
from promptknn.settings import ClipSettings
from promptknn.training.accumulation import backward, evaluate
from promptknn.training.batches import Batch
from promptknn.training.objective import Objective
from promptknn.training.processes import Processes, joined
from promptknn.training.settings import TrainingSettings
from tests.checkpoints import tiny_clip
from tests.training.small import SENTENCE_DIM, some_vectors

ALONE = Processes(rank=0, world=1, device=torch.device("cpu"))
PAIRS = 10


def some_batch() -> Batch:
    draw = torch.Generator().manual_seed(3)
    tokens = torch.randint(1, 400, (PAIRS, 77), generator=draw)
    tokens[:, 20] = 49407  # the end token, which the text tower reads
    pixels = torch.randn(PAIRS, 3, 32, 32, generator=draw)
    return Batch(pixels, tokens, torch.from_numpy(some_vectors(PAIRS)))


def objective_of(model: str, settings: TrainingSettings) -> Objective:
    clip, _, _ = load_open_clip(ClipSettings(model=model), torch.device("cpu"))
    return Objective(clip.train(), settings, SENTENCE_DIM)


def gradients(objective: Objective) -> dict[str, torch.Tensor]:
    return {name: p.grad for name, p in objective.named_parameters() if p.grad is not None}


def full_batch_gradients(model: str, settings: TrainingSettings) -> dict[str, torch.Tensor]:
    """One plain backward pass over the whole batch: what accumulation must equal."""
    objective, batch = objective_of(model, settings), some_batch()
    losses = objective.losses(objective.features(batch.pixels, batch.tokens), batch.targets)
    losses["loss"].backward()
    return gradients(objective)


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert torch.allclose(found[name], gradient, rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("micro_batch_size", [3, PAIRS])
@pytest.mark.parametrize("objective", ["contrastive", "sentence", "both"])
def test_accumulated_gradient_is_the_full_batchs(
    tmp_path: Path, objective: str, micro_batch_size: int
) -> None:
    model = tiny_clip(tmp_path, seed=0)
    settings = TrainingSettings.model_validate(
        {"objective": objective, "micro_batch_size": micro_batch_size}
    )
    accumulated = objective_of(model, settings)

    losses, pairs = backward(accumulated, some_batch(), settings, ALONE, seed=0)

    expected = full_batch_gradients(model, settings)
    assert pairs == PAIRS
    assert max(float(gradient.abs().max()) for gradient in expected.values()) > 1e-3
    assert_same(gradients(accumulated), expected)
    evaluated, _ = evaluate(accumulated, some_batch(), settings, ALONE)
    assert losses == pytest.approx(evaluated, rel=1e-5)


def test_mean_of_small_batches_gradients_is_another_one(tmp_path: Path) -> None:
    # Else the tests above would prove nothing about the contrastive loss.
    model = tiny_clip(tmp_path, seed=0)
    settings = TrainingSettings(objective="contrastive")
    naive = objective_of(model, settings)
    for part in some_batch().parts(5):
        losses = naive.losses(naive.features(part.pixels, part.tokens), part.targets)
        (losses["loss"] / 2).backward()

    expected = full_batch_gradients(model, settings)["model.visual.proj"]

    assert not torch.allclose(gradients(naive)["model.visual.proj"], expected, rtol=1e-2, atol=1e-4)


def test_both_passes_see_the_same_dropout(tmp_path: Path) -> None:
    model = tiny_clip(tmp_path, seed=0)
    settings = TrainingSettings(objective="sentence", micro_batch_size=5)
    batch = some_batch()
    plain, accumulated = objective_of(model, settings), objective_of(model, settings)
    for objective in (plain, accumulated):
        objective.model.visual.patch_dropout = torch.nn.Dropout(0.5)
    features = []
    for number, part in enumerate(batch.parts(5)):
        torch.manual_seed(7 + number)
        features.append(plain.features(part.pixels, part.tokens)[0])
    plain.losses((torch.cat(features),), batch.targets)["loss"].backward()

    backward(accumulated, batch, settings, ALONE, seed=7)

    assert_same(gradients(accumulated), gradients(plain))


def test_batch_without_a_pair_gives_no_loss(tmp_path: Path) -> None:
    settings = TrainingSettings(objective="both")
    objective = objective_of(tiny_clip(tmp_path, seed=0), settings)
    empty = Batch(torch.zeros(0), torch.zeros(0), torch.zeros(0, SENTENCE_DIM))

    assert backward(objective, empty, settings, ALONE, seed=0) == ({}, 0)
    assert evaluate(objective, empty, settings, ALONE) == ({}, 0)


def _share_of_gradients(rank: int, world: int, port: int, model: str, folder: str) -> None:
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    settings = TrainingSettings(objective="both", micro_batch_size=3)
    batch = some_batch()
    # The second process has no usable image in the second batch.
    shares = (range(rank, PAIRS, world), range(PAIRS if rank == 0 else 0))
    with joined() as processes:
        for number, rows in enumerate(shares):
            mine = torch.tensor(list(rows), dtype=torch.long)
            share = Batch(batch.pixels[mine], batch.tokens[mine], batch.targets[mine])
            objective = objective_of(model, settings)
            _, pairs = backward(objective, share, settings, processes, seed=0)
            torch.save((pairs, gradients(objective)), Path(folder) / f"{number}-{rank}.pt")


def test_two_processes_have_the_gradient_of_the_whole_batch(tmp_path: Path) -> None:
    model = tiny_clip(tmp_path / "model", seed=0)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    multiprocessing.spawn(_share_of_gradients, (2, port, model, str(tmp_path)), nprocs=2)

    expected = full_batch_gradients(model, TrainingSettings(objective="both", micro_batch_size=3))
    for number in range(2):
        for rank in range(2):
            pairs, found = torch.load(tmp_path / f"{number}-{rank}.pt", weights_only=True)
            assert pairs == PAIRS
            assert_same(found, expected)
