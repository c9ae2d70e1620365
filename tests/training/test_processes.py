import os
import socket
from pathlib import Path

import pytest
import torch
from torch import multiprocessing

from promptknn.training.processes import Processes, joined

ALONE = Processes(rank=0, world=1, device=torch.device("cpu"))
# What each of three processes holds; the second has nothing.
ROWS = ([[1.0, 2.0], [3.0, 4.0]], [], [[5.0, 6.0]])


def test_shares_are_the_whole_batch_and_no_row_twice() -> None:
    fellows = [Processes(rank, 3, torch.device("cpu")) for rank in range(3)]
    shares = [one.share(range(8)) for one in fellows]
    assert sorted(row for share in shares for row in share) == list(range(8))
    assert [len(share) for share in shares] == [3, 3, 2]


def test_the_first_alone_writes() -> None:
    assert [Processes(rank, 2, torch.device("cpu")).first for rank in range(2)] == [True, False]


def test_alone_every_call_is_the_identity() -> None:
    rows = torch.tensor([[1.0, 2.0]])
    whole, begin = ALONE.gather_rows(rows)
    ALONE.add_up([rows])
    assert (whole.tolist(), begin, rows.tolist()) == ([[1.0, 2.0]], 0, [[1.0, 2.0]])
    assert ALONE.gather_objects({"a": 1}) == [{"a": 1}]


def test_without_torchrun_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with joined() as processes:
        assert (processes.rank, processes.world) == (0, 1)
    assert not torch.distributed.is_initialized()


def _meet(rank: int, world: int, port: int, folder: str) -> None:
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    with joined() as processes:
        rows = torch.tensor(ROWS[rank]).reshape(-1, 2).to(processes.device)
        whole, begin = processes.gather_rows(rows)
        summed = torch.full((2,), float(rank + 1), device=processes.device)
        processes.add_up([summed])
        objects = processes.gather_objects(f"of {rank}")
    there = torch.distributed.is_initialized()
    found = (whole.tolist(), begin, summed.tolist(), objects, there)
    torch.save(found, Path(folder) / f"{rank}.pt")


@pytest.mark.skipif(
    0 < torch.cuda.device_count() < len(ROWS), reason="NCCL gives each process a GPU of its own"
)
def test_processes_share_rows_sums_and_objects_in_the_order_of_their_ranks(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    multiprocessing.spawn(_meet, (len(ROWS), port, str(tmp_path)), nprocs=len(ROWS))

    every = [row for rows in ROWS for row in rows]
    for rank, begin in enumerate((0, 2, 2)):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert found == (every, begin, [6.0, 6.0], ["of 0", "of 1", "of 2"], False)
