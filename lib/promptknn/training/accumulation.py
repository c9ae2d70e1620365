"""Gradients of a large batch in the memory of a small one.

The contrastive loss compares every image of a batch with every text: the mean of small batches'
losses is another loss. So features of the whole batch come first, without a graph; then the loss's
gradient with respect to them; then each small part is encoded again, and that gradient is sent back
through it (gradient caching: Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under
Memory Limited Setup", section 3; open_clip's `accum_freq` has the same effect). The result is the
full batch's gradient, over all processes too. (With batch normalisation it is not, because a part's
statistics are not the batch's; CLIP's vision transformers have none.)
"""

from contextlib import AbstractContextManager

import torch

from promptknn.training.batches import Batch
from promptknn.training.objective import Objective
from promptknn.training.processes import Processes
from promptknn.training.settings import TrainingSettings


def backward(
    objective: Objective, batch: Batch, settings: TrainingSettings, processes: Processes, seed: int
) -> tuple[dict[str, float], int]:
    """Add the gradient of a batch's loss to `.grad`, as one backward pass over it would.

    Args:
        objective: what is trained.
        batch: this process's pairs; all processes' together are the batch.
        settings: size of the small parts, precision.
        processes: those that share the batch.
        seed: fixes what is random in the towers (dropout), so that both passes see the same.

    Returns:
        The losses of the whole batch, by name, and over how many pairs; none where no process
        has a pair.
    """
    parts = batch.parts(settings.micro_batch_size)
    # A batch that is one part keeps its graph, and is not encoded twice.
    in_one = len(parts) == 1
    with torch.set_grad_enabled(in_one):
        encoded = [
            _features(objective, part, settings, processes, seed + number)
            for number, part in enumerate(parts)
        ]
    cached = [tuple(rows.detach() for rows in part) for part in encoded]
    wholes, own = _whole(objective, cached, processes)
    targets, _ = processes.gather_rows(batch.targets.to(processes.device))
    if not len(targets):
        return {}, 0
    leaves = tuple(whole.requires_grad_() for whole in wholes)
    losses = objective.losses(leaves, targets)
    losses["loss"].backward()  # type: ignore[no-untyped-call]
    if not processes.first:
        # Every process has the whole of these gradients: one of them is enough for the sum.
        for parameter in objective.of_loss_alone():
            parameter.grad = None
    for number, part in enumerate(parts):
        again = (
            encoded[0] if in_one else _features(objective, part, settings, processes, seed + number)
        )
        rows = slice(own, own + len(part))
        torch.autograd.backward(
            again, [leaf.grad[rows] for leaf in leaves if leaf.grad is not None]
        )
        own += len(part)
    _add_up_gradients(objective, processes)
    return {name: loss.item() for name, loss in losses.items()}, len(targets)


@torch.no_grad()
def evaluate(
    objective: Objective, batch: Batch, settings: TrainingSettings, processes: Processes
) -> tuple[dict[str, float], int]:
    """Give the losses of a batch, by name, and over how many pairs."""
    cached = [
        _features(objective, part, settings, processes, 0)
        for part in batch.parts(settings.micro_batch_size)
    ]
    wholes, _ = _whole(objective, cached, processes)
    targets, _ = processes.gather_rows(batch.targets.to(processes.device))
    if not len(targets):
        return {}, 0
    losses = objective.losses(wholes, targets)
    return {name: loss.item() for name, loss in losses.items()}, len(targets)


def _features(
    objective: Objective, part: Batch, settings: TrainingSettings, processes: Processes, seed: int
) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(seed)
    with _precision(settings, processes.device):
        return objective.features(
            part.pixels.to(processes.device), part.tokens.to(processes.device)
        )


def _whole(
    objective: Objective, cached: list[tuple[torch.Tensor, ...]], processes: Processes
) -> tuple[tuple[torch.Tensor, ...], int]:
    """Join parts, then processes: the batch's features, and where this process's begin."""
    # A process whose images are all bad has no features to learn their number from.
    none = torch.zeros(0, objective.embedding_dim, device=processes.device)
    own = [torch.cat(parts) for parts in zip(*cached, strict=True)] or [none] * objective.towers
    gathered = [processes.gather_rows(rows) for rows in own]
    return tuple(whole for whole, _ in gathered), gathered[0][1]


def _add_up_gradients(objective: Objective, processes: Processes) -> None:
    parameters = [parameter for _, parameter in objective.named_parameters()]
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    processes.add_up(p.grad for p in parameters if p.grad is not None)


def _precision(settings: TrainingSettings, device: torch.device) -> AbstractContextManager[None]:
    return torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bf16")
