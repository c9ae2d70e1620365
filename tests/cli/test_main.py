import subprocess
import sys
from collections.abc import Callable

import pytest

from promptknn import __version__
from promptknn.cli import predict
from promptknn.cli.jobs import JOBS
from promptknn.cli.main import main


def _exit_code(*argv: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def test_help_lists_commands_and_jobs_and_imports_nothing_heavy() -> None:
    code = (
        "import sys, runpy; sys.argv = ['promptknn', '--help']\n"
        "try: runpy.run_module('promptknn', run_name='__main__')\n"
        "except SystemExit as stopped: print('code', stopped.code, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for word in ("predict", "doctor", *JOBS):
        assert word in done.stdout
    assert done.stdout.endswith("code 0 False\n")


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("--version") == 0
    assert capsys.readouterr().out == f"promptknn {__version__}\n"


def test_no_command_shows_the_help_and_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code() == 2
    assert "commands:" in capsys.readouterr().err


def _raise(failure: BaseException) -> Callable[[object], int]:
    def run(_: object) -> int:
        raise failure

    return run


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (ZeroDivisionError("by zero"), "promptknn: ZeroDivisionError: by zero (--debug shows"),
        (KeyboardInterrupt(), "promptknn: Stopped."),
    ],
)
def test_an_unforeseen_failure_is_one_sentence_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: BaseException,
    sentence: str,
) -> None:
    monkeypatch.setattr(predict, "run", _raise(failure))
    assert _exit_code("predict", "a.jpg") == 1
    assert capsys.readouterr().err.startswith(sentence)
