from pathlib import Path

import numpy as np
import torch

from promptknn.encoders.open_clip import load_open_clip
from promptknn.training.batches import TARGET, Pairs, batches, load
from promptknn.training.loop import PAIRS
from promptknn.training.processes import Processes
from tests.training.small import SENTENCE_DIM, small_job, some_vectors

ALONE = Processes(rank=0, world=1, device=torch.device("cpu"))


def open_pairs(folder: Path, split: str = "train") -> Pairs:
    job = small_job(folder)
    _, transform, tokenizer = load_open_clip(job.clip, ALONE.device)
    return Pairs(job.work / PAIRS, split, transform, tokenizer, 1.0)  # type: ignore[arg-type]


def test_every_row_is_in_one_batch_and_batches_are_even() -> None:
    cut = batches(rows=1000, batch_size=256, seed=0)

    assert [len(batch) for batch in cut] == [250, 250, 250, 250]
    assert sorted(np.concatenate(cut)) == list(range(1000))


def test_order_is_the_seeds_and_the_epochs() -> None:
    first = np.concatenate(batches(50, 8, seed=1, epoch=2))

    assert (np.concatenate(batches(50, 8, seed=1, epoch=2)) == first).all()
    assert (np.concatenate(batches(50, 8, seed=1, epoch=3)) != first).any()
    assert (np.concatenate(batches(50, 8, seed=2, epoch=2)) != first).any()


def test_no_rows_make_no_batch() -> None:
    assert batches(0, 8, seed=0) == []


def test_a_batch_holds_the_rows_asked_for(tmp_path: Path) -> None:
    pairs = open_pairs(tmp_path, "validation")

    batch = pairs[[3, 0]]

    assert len(pairs) == 4
    assert batch.pixels.shape == (2, 3, 32, 32)
    assert batch.tokens.shape == (2, 77)
    assert np.allclose(batch.targets, some_vectors(20)[[19, 16]])


def test_bad_images_are_left_out_and_named(tmp_path: Path) -> None:
    pairs = open_pairs(tmp_path)
    pictures = tmp_path / "pictures"
    (pictures / "0001.png").unlink()
    (pictures / "0002.png").write_bytes((pictures / "0002.png").read_bytes()[:60])
    (pictures / "0003.png").write_text("no picture")

    batch = pairs[[0, 1, 2, 3, 4]]

    assert len(batch) == 2
    assert np.allclose(batch.targets, some_vectors(20)[[0, 4]])
    assert batch.refused.keys() == {1, 2, 3}
    assert batch.refused[1] == "unreadable"
    assert batch.refused[3] == "not_an_image"


def test_a_batch_of_bad_images_is_empty(tmp_path: Path) -> None:
    pairs = open_pairs(tmp_path)
    (tmp_path / "pictures" / "0001.png").unlink()

    batch = pairs[[1]]

    assert len(batch) == 0
    assert batch.parts(4) == []
    assert batch.targets.shape == (0, SENTENCE_DIM)


def test_processes_share_each_batch_between_them(tmp_path: Path) -> None:
    pairs = open_pairs(tmp_path)
    order = batches(len(pairs), 5, seed=0)
    whole = [batch.targets for batch in load(pairs, order, ALONE, workers=0)]

    halves = [
        [batch.targets for batch in load(pairs, order, Processes(rank, 2, ALONE.device), 0)]
        for rank in range(2)
    ]

    for batch, even, odd in zip(whole, *halves, strict=True):
        assert torch.equal(batch[0::2], even)
        assert torch.equal(batch[1::2], odd)


def test_workers_read_the_same_batches_in_the_same_order(tmp_path: Path) -> None:
    pairs = open_pairs(tmp_path)
    order = batches(len(pairs), 5, seed=0)

    alone = list(load(pairs, order, ALONE, workers=0))
    helped = list(load(pairs, order, ALONE, workers=2))

    assert len(helped) == len(order)
    for one, other in zip(alone, helped, strict=True):
        assert torch.equal(one.pixels, other.pixels)
        assert torch.equal(one.tokens, other.tokens)


def test_without_a_regression_there_are_no_targets(tmp_path: Path) -> None:
    import pyarrow as pa

    from promptknn.training.pairs import write_file

    pairs = open_pairs(tmp_path)
    file = tmp_path / PAIRS / "part-00000.arrow"
    whole = pa.ipc.open_file(str(file)).read_all().drop_columns([TARGET])
    write_file(iter(whole.to_batches()), tmp_path / "bare" / "part-00000.arrow", models=None)
    bare = Pairs(tmp_path / "bare", "train", pairs._transform, pairs._tokenizer, 1.0)

    assert bare.sentence_dim == 0
    assert bare[[0, 1]].targets.shape == (2, 0)
