import shutil
from pathlib import Path

import pytest

from promptknn.encoders.fingerprint import fingerprint


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "pooling").mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(b"\x00" * 1000)
    (folder / "config.json").write_text("{}")
    (folder / "pooling" / "config.json").write_text('{"mode": "mean"}')
    (folder / "README.md").write_text("A model.")
    return folder


def test_a_copy_has_the_same_fingerprint(model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(model, copy)
    assert fingerprint([copy]) == fingerprint([model])
    assert len(fingerprint([model])) == 12


@pytest.mark.parametrize("file", ["weights.safetensors", "config.json", "pooling/config.json"])
def test_a_changed_file_changes_the_fingerprint_in_the_same_process(model: Path, file: str) -> None:
    before = fingerprint([model])
    content = bytearray((model / file).read_bytes())
    content[-1] ^= 1
    (model / file).write_bytes(content)
    assert fingerprint([model]) != before


def test_a_file_added_changes_the_fingerprint_in_the_same_process(model: Path) -> None:
    before = fingerprint([model])
    (model / "adapter.bin").write_bytes(b"1")
    assert fingerprint([model]) != before


def test_files_that_are_no_part_of_the_model_do_not_count(model: Path) -> None:
    before = fingerprint([model])
    (model / "README.md").write_text("The same model.")
    (model / "curve.png").write_bytes(b"1")
    assert fingerprint([model]) == before


def test_a_file_named_outright_counts_whatever_its_name(tmp_path: Path) -> None:
    file = tmp_path / "weights.ckpt"
    file.write_bytes(b"1")
    before = fingerprint([file])
    file.write_bytes(b"22")
    assert fingerprint([file]) != before


def test_the_order_of_paths_counts(model: Path) -> None:
    files = [model / "weights.safetensors", model / "config.json"]
    assert fingerprint(files) != fingerprint(files[::-1])
