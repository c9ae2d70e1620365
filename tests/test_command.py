import json
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from promptknn import command
from promptknn.command import arguments, run_job
from promptknn.errors import MissingInputError
from promptknn.settings import Settings
from promptknn.stage import Context, Counts, Stage

FROM_A_WORKER = """
An exception was thrown from the Python worker. Please see the stack trace below.
Traceback (most recent call last):
  File "/lib/promptknn/encoders/open_clip.py", line 30, in __init__
    raise ModelLoadError(
promptknn.errors.ModelLoadError: The CLIP model 'x' cannot be loaded: set `clip.model`.
"""


class _Nothing(Stage):
    name = "nothing"

    def run(self, context: Context) -> Counts:
        return Counts()


class _Ran:
    """Stands in for Spark: keeps what was to be run, and fails if told to."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.stages: Sequence[Stage] = ()
        self.failure: BaseException | None = None
        self.counts: Sequence[Counts] = ()

    def run_stages(
        self, spark: object, settings: Settings, stages: Sequence[Stage], _: object
    ) -> Sequence[Counts]:
        if self.failure:
            raise self.failure
        self.settings, self.stages = settings, stages
        return self.counts


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> _Ran:
    stand_in = _Ran()
    monkeypatch.setattr(command, "open_session", lambda settings: None)
    monkeypatch.setattr(command, "run_stages", stand_in.run_stages)
    return stand_in


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text("prediction: {k: 7}")
    return path


def _plan(options: Namespace) -> Sequence[Stage]:
    return (_Nothing(),)


def _exit_code(argv: Sequence[str], plan: Callable[[Namespace], Sequence[Stage]] = _plan) -> int:
    with pytest.raises(SystemExit) as stopped:
        run_job(arguments("A job."), plan, argv)
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def test_a_job_runs_its_stages_with_its_settings(ran: _Ran, config: Path) -> None:
    run_job(arguments("A job."), _plan, ["--config", str(config), "--set", "prediction.w1=0.1"])
    assert [stage.name for stage in ran.stages] == ["nothing"]
    assert ran.settings is not None
    assert (ran.settings.prediction.k, ran.settings.prediction.w1) == (7, 0.1)


def test_overrides_may_be_repeated() -> None:
    options = arguments("A job.").parse_args(["--set", "a=1", "--set", "b=2"])
    assert options.overrides == ["a=1", "b=2"]
    assert arguments("A job.").parse_args([]).overrides == []


def test_without_config_the_file_beside_the_jobs_is_read(
    ran: _Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "local.yaml").write_text("prediction: {k: 13}")
    monkeypatch.setattr("sys.argv", [str(tmp_path / "jobs" / "x.py")])
    run_job(arguments("A job."), _plan, [])
    assert ran.settings is not None
    assert ran.settings.prediction.k == 13


def test_without_any_file_the_defaults_are_used(
    ran: _Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [str(tmp_path / "jobs" / "x.py")])
    run_job(arguments("A job."), _plan, [])
    assert ran.settings == Settings()


def test_the_plan_sees_the_arguments_of_its_job(ran: _Ran, config: Path) -> None:
    parser = arguments("A job.")
    parser.add_argument("--only", action="store_true")
    seen = []

    def plan(options: Namespace) -> Sequence[Stage]:
        seen.append(options.only)
        return ()

    run_job(parser, plan, ["--config", str(config), "--only"])
    assert seen == [True]


def test_bad_settings_exit_with_2_before_a_session_starts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, config: Path
) -> None:
    monkeypatch.setattr(command, "open_session", lambda settings: pytest.fail("a session started"))
    assert _exit_code(["--config", str(config), "--set", "prediction.k=0"]) == 2
    shown = capsys.readouterr().err
    assert "promptknn: Setting 'prediction.k' (given: 0)" in shown
    assert "Traceback" not in shown


def test_unknown_arguments_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(["--confg", "x"]) == 2
    assert "--confg" in capsys.readouterr().err


def test_what_the_user_can_mend_exits_with_2_and_one_sentence(
    ran: _Ran, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran.failure = MissingInputError("Nothing is at /x: set `images.paths`.")
    assert _exit_code(["--config", str(config)]) == 2
    assert capsys.readouterr().err == "promptknn: Nothing is at /x: set `images.paths`.\n"


def test_brackets_in_a_sentence_are_shown(
    ran: _Ran, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran.failure = MissingInputError("Install promptknn[demo] for /a[/b]c.")
    assert _exit_code(["--config", str(config)]) == 2
    assert capsys.readouterr().err == "promptknn: Install promptknn[demo] for /a[/b]c.\n"


def test_a_failure_that_a_worker_named_exits_with_2_and_its_sentence(
    ran: _Ran, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran.failure = RuntimeError(FROM_A_WORKER)
    assert _exit_code(["--config", str(config)]) == 2
    shown = capsys.readouterr().err
    assert shown == "promptknn: The CLIP model 'x' cannot be loaded: set `clip.model`.\n"


def test_an_unforeseen_failure_exits_with_1_and_points_to_debug(
    ran: _Ran, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran.failure = ZeroDivisionError("division by zero\nand more")
    assert _exit_code(["--config", str(config)]) == 1
    shown = capsys.readouterr().err
    assert "promptknn: ZeroDivisionError: division by zero (--debug shows" in shown
    assert "and more" not in shown


def test_an_unforeseen_failure_without_a_message_exits_with_1(
    ran: _Ran, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran.failure = AssertionError()
    assert _exit_code(["--config", str(config)]) == 1
    assert "AssertionError" in capsys.readouterr().err


def test_debug_shows_the_trace(ran: _Ran, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran.failure = MissingInputError("Nothing is there.")
    assert _exit_code(["--config", str(config), "--debug"]) == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "promptknn: Nothing is there." in shown


def test_an_interrupt_exits_with_1_and_says_how_to_go_on(
    ran: _Ran, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran.failure = KeyboardInterrupt()
    assert _exit_code(["--config", str(config)]) == 1
    assert "run the job again to go on" in capsys.readouterr().err


def test_json_is_one_line_of_counts_on_stdout(
    ran: _Ran, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran.counts = [Counts(rows_in=3, rows_out=2, rows_rejected=1, message="done")]
    run_job(arguments("A job."), _plan, ["--config", str(config), "--json"])
    (line,) = capsys.readouterr().out.splitlines()
    done = {"stage": "nothing", "rows_in": 3, "rows_out": 2, "rows_rejected": 1, "message": "done"}
    assert json.loads(line) == {"stages": [done]}
    run_job(arguments("A job."), _plan, ["--config", str(config)])
    assert capsys.readouterr().out == ""
