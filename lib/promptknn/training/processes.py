"""The processes that train together; alone, every call here is the identity."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import distributed

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Processes:
    """This process among its fellows.

    Attributes:
        rank: its number, from 0.
        world: how many there are.
        device: where its model runs.
    """

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def share(self, rows: Iterable[_Item]) -> list[_Item]:
        """Give this process's share of a batch: every world-th row."""
        return list(rows)[self.rank :: self.world]

    def gather_rows(self, rows: torch.Tensor) -> tuple[torch.Tensor, int]:
        """Put the rows of all processes together, in the order of their ranks.

        Processes may hold different numbers of rows, none among them.

        Args:
            rows: (n, d), without a gradient.

        Returns:
            (sum of all n, d), and where this process's own rows begin.
        """
        if self.world == 1:
            return rows, 0
        count = torch.tensor([len(rows)], device=self.device)
        counts = [torch.zeros_like(count) for _ in range(self.world)]
        distributed.all_gather(counts, count)
        sizes = [int(size) for size in counts]
        padded = rows.new_zeros((max(sizes), rows.shape[1]))
        padded[: len(rows)] = rows
        parts = [torch.zeros_like(padded) for _ in range(self.world)]
        distributed.all_gather(parts, padded)
        whole = torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])
        return whole, sum(sizes[: self.rank])

    def add_up(self, tensors: Iterable[torch.Tensor]) -> None:
        """Replace tensors by their sums over all processes."""
        if self.world > 1:
            waiting = [distributed.all_reduce(tensor, async_op=True) for tensor in tensors]
            for work in waiting:
                work.wait()

    def gather_objects(self, item: _Item) -> list[_Item]:
        """Give every process the objects of all, in the order of their ranks."""
        if self.world == 1:
            return [item]
        items: list[_Item] = [item] * self.world
        distributed.all_gather_object(items, item)
        return items


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the processes that torchrun started, for as long as the training lasts."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        local = int(os.environ.get("LOCAL_RANK", "0"))
        device = torch.device("cuda", local % torch.cuda.device_count())
        torch.cuda.set_device(device)
    if world > 1:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes(rank, world, device)
    finally:
        if world > 1:
            distributed.destroy_process_group()
