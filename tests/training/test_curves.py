from pathlib import Path

import pytest
from PIL import Image

from promptknn.training.curves import FILE, Curves, plot

STEP = {
    "epoch": 1, "split": "train", "loss": 2.0, "contrastive_loss": 2.0, "learning_rate": 1e-5,
    "pairs": 8,
}  # fmt: skip


def some_curves(folder: Path) -> Curves:
    curves = Curves(folder)
    for step in (1, 2, 3):
        curves.append({**STEP, "step": step, "loss": 3.0 - step})
    return curves


def test_losses_come_back_in_order(tmp_path: Path) -> None:
    table = some_curves(tmp_path).table()

    assert table.column("loss").to_pylist() == [2.0, 1.0, 0.0]
    assert table.column("sentence_loss").to_pylist() == [None] * 3


def test_steps_after_the_checkpoint_are_forgotten(tmp_path: Path) -> None:
    curves = some_curves(tmp_path)

    curves.forget_after(2)

    assert curves.last_step() == 2


def test_a_volume_takes_the_losses_now_and_then_and_when_told(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    curves, others = Curves(volume), Curves(volume)
    for seconds, seen in ((1e9, 1), (1e9, 1), (0, 3), (1e9, 3)):
        monkeypatch.setattr("promptknn.training.curves._SECONDS_BETWEEN_WRITES", seconds)
        curves.append({**STEP, "step": curves.last_step() + 1})
        assert others.last_step() == seen
    curves.write()
    assert others.last_step() == 4
    assert [file.name for file in volume.iterdir()] == [FILE]


def test_a_training_that_goes_on_adds_to_what_is_there(tmp_path: Path) -> None:
    some_curves(tmp_path).write()
    curves = Curves(tmp_path)
    curves.forget_after(2)
    curves.append({**STEP, "step": 3})
    curves.write()
    assert Curves(tmp_path).table().column("step").to_pylist() == [1, 2, 3]


def test_nothing_written_is_an_empty_table(tmp_path: Path) -> None:
    assert Curves(tmp_path).table().num_rows == 0
    assert Curves(tmp_path).last_step() == 0


def test_curves_are_drawn(tmp_path: Path) -> None:
    curves = some_curves(tmp_path)
    curves.append({**STEP, "step": 3, "split": "validation", "learning_rate": None})

    plot(curves.table(), tmp_path / "curves.png")

    with Image.open(tmp_path / "curves.png") as picture:
        colours = picture.convert("RGB").getcolors(maxcolors=1 << 20)
    assert colours is not None
    assert len(colours) > 10
