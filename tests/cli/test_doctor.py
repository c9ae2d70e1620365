import json
from pathlib import Path

import pytest

from promptknn.cli import checks
from promptknn.cli.checks import Check
from promptknn.cli.main import main

GOOD = Check("Java", True, "17 [lts]", "install a JRE")
OPTIONAL = Check("GPU", False, "none", "buy one", needed=False)
BAD = Check("FAISS", False, "missing", "install promptknn[local]")


def _exit_code(*argv: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["doctor", *argv])
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Check]:
    there: list[Check] = [GOOD, OPTIONAL]
    monkeypatch.setattr(checks, "environment", lambda: iter(there))
    return there


def test_all_good_exits_with_0_and_shows_no_cure(
    found: list[Check], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _exit_code() == 0
    shown = capsys.readouterr().out
    assert "17 [lts]" in shown
    assert "install a JRE" not in shown
    assert "buy one" in shown
    assert "Jobs can run here." in shown


def test_something_missing_exits_with_1_and_shows_the_cure(
    found: list[Check], capsys: pytest.CaptureFixture[str]
) -> None:
    found.append(BAD)
    assert _exit_code() == 1
    shown = capsys.readouterr().out
    assert "install promptknn[local]" in shown
    assert "1 to mend before jobs can run here." in shown


def test_json_is_one_line(
    found: list[Check], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found.append(BAD)
    config = tmp_path / "mine.yaml"
    config.write_text("lake: ./lake")
    assert _exit_code("--json", "--config", str(config)) == 1
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert told["good"] is False
    by_name = {check["name"]: check for check in told["checks"]}
    assert by_name["FAISS"]["cure"] == BAD.cure
    assert by_name["write access to lake"]["good"]
    assert by_name["models"]["good"]


def test_wrong_settings_are_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("--config", "gone.yaml") == 2
    assert capsys.readouterr().err.startswith("promptknn: --config gone.yaml: there is no such")


def test_this_machine_is_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    code = _exit_code("--json")
    told = json.loads(capsys.readouterr().out)
    by_name = {check["name"]: check for check in told["checks"]}
    assert (code == 0) == told["good"]
    assert all(by_name[name]["good"] for name in ("Python", "Spark", "FAISS", "torch", "models"))
