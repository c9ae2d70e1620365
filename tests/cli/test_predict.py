import json
from pathlib import Path

import pytest

from promptknn.cli import predict
from promptknn.cli.main import main
from promptknn.locations import package_path
from promptknn.settings import Settings
from tests.small import small_tree
from tests.submission import write_config

CAT = "package:skimage/data/chelsea.png"


@pytest.fixture(autouse=True)
def _own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the tests' process as it is."""
    monkeypatch.setattr(predict, "wait_asleep", lambda: None)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    copy = tmp_path / "cat [1].png"
    copy.write_bytes(Path(package_path(CAT)).read_bytes())
    return copy


def _exit_code(*argv: str | Path) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in argv])
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def test_a_table_names_the_picture_and_its_prompt(
    built: Settings, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _exit_code("predict", photo, "--lake", built.lake) == 0
    shown = capsys.readouterr()
    assert "cat [1].png" in shown.out
    assert "similarity and text of the first 3 neighbours" in shown.out
    assert shown.err == ""


def test_json_is_one_line_a_picture_and_the_bad_one_does_not_stop_the_rest(
    built: Settings, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    config = write_config(tmp_path / "mine.yaml", {**small_tree(tmp_path), "lake": built.lake})
    argv = ("predict", bad, photo, "--config", config, "--json", "--set", "prediction.k=3")
    assert _exit_code(*argv) == 2
    shown = capsys.readouterr()
    first, second = map(json.loads, shown.out.splitlines())
    assert first["image"] == str(bad)
    assert "bad.jpg cannot be used (not_an_image" in first["error"]
    assert "promptknn: The picture" in shown.err
    assert (second["image"], second["k"], len(second["neighbours"])) == (str(photo), 3, 3)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--lake", "gone"), "promptknn: There is no lake at "),
        (("--config", "gone.yaml"), "promptknn: --config gone.yaml: there is no such file"),
    ],
)
def test_a_wrong_place_is_one_sentence_and_exit_code_2(
    photo: Path, options: tuple[str, str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _exit_code("predict", photo, *options) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(sentence)
    assert shown.err.count("\n") == 1
    assert shown.out == ""


def test_lake_and_config_are_not_given_together(
    photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _exit_code("predict", photo, "--lake", "a", "--config", "b") == 2
    assert "not allowed with" in capsys.readouterr().err
