"""The command line of every job: arguments, settings, session, stages, one sentence on failure."""

import argparse
import logging
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from promptknn.errors import PromptKnnError, reason
from promptknn.progress import Display, wide_console
from promptknn.runner import run_stages
from promptknn.session import open_session
from promptknn.settings_file import load_settings
from promptknn.stage import Stage

Plan = Callable[[argparse.Namespace], Sequence[Stage]]
_BAD_INPUT, _FAILED = 2, 1


def arguments(description: str) -> argparse.ArgumentParser:
    """Make the parser that every job starts from."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--config", type=Path, help="settings file (YAML); default: conf/local.yaml"
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override one setting, such as prediction.k=10; may be repeated",
    )
    parser.add_argument("--debug", action="store_true", help="show the stack trace of a failure")
    return parser


def run_job(parser: argparse.ArgumentParser, plan: Plan, argv: Sequence[str] | None = None) -> None:
    """Run a job and leave with its exit code: 0, 2 for what the user can mend, 1 otherwise.

    Args:
        parser: made by `arguments`.
        plan: gives the stages for the parsed arguments.
        argv: the arguments; None takes those of the process.
    """
    options = parser.parse_args(argv)
    console = wide_console()
    logging.basicConfig(level=logging.WARNING)
    try:
        settings = load_settings(options.config or _default_config(), options.overrides)
        stages = plan(options)
        for stage in stages:
            stage.check(settings)
        run_stages(open_session(settings.spark), settings, stages, Display(console))
    except PromptKnnError as error:
        _say(console, str(error), options.debug)
        sys.exit(_BAD_INPUT)
    except KeyboardInterrupt:
        _say(console, "Stopped; run the job again to go on where it stopped.", options.debug)
        sys.exit(_FAILED)
    except Exception as error:
        known = known_failure(error)
        if known:
            _say(console, known, options.debug)
            sys.exit(_BAD_INPUT)
        _say(
            console,
            f"{type(error).__name__}: {reason(error)} (--debug shows the whole trace)",
            options.debug,
        )
        sys.exit(_FAILED)


def known_failure(error: Exception) -> str | None:
    """Find a PromptKnnError that was raised in a Python worker in the text Spark gives of it."""
    for line in reversed(str(error).splitlines()):
        name, separator, message = line.strip().partition(": ")
        if separator and name.startswith("promptknn.errors."):
            return message
    return None


def beside_jobs(name: str) -> Path:
    """Give a file or folder of conf/, which lies beside the folder of the job that runs."""
    return Path(sys.argv[0]).resolve().parent.parent / "conf" / name


def _default_config() -> Path | None:
    file = beside_jobs("local.yaml")
    return file if file.is_file() else None


def _say(console: Console, sentence: str, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    # As a Text: in markup, `promptknn[demo]` would lose its brackets.
    console.print(Text.assemble(("promptknn:", "bold red"), f" {sentence}"), soft_wrap=True)
