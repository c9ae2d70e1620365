"""The command line of every job: arguments, settings, session, stages, one sentence on failure."""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from promptknn.console import wide_console
from promptknn.failures import one_sentence
from promptknn.options import add_shared_options
from promptknn.progress import Display
from promptknn.runner import run_stages
from promptknn.session import open_session
from promptknn.settings_file import load_settings
from promptknn.stage import Counts, Stage

Plan = Callable[[argparse.Namespace], Sequence[Stage]]


def arguments(description: str) -> argparse.ArgumentParser:
    """Make the parser that every job starts from."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--config", type=Path, help="settings file (YAML); default: conf/local.yaml"
    )
    add_shared_options(parser, "print one JSON line of counts on stdout at the end")
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
    with one_sentence(
        console, options.debug, "Stopped; run the job again to go on where it stopped."
    ):
        settings = load_settings(options.config or _default_config(), options.overrides)
        stages = plan(options)
        for stage in stages:
            stage.check(settings)
        counts = run_stages(open_session(settings.spark), settings, stages, Display(console))
        if options.json:
            sys.stdout.write(f"{counts_as_json(stages, counts)}\n")


def counts_as_json(stages: Sequence[Stage], counts: Sequence[Counts]) -> str:
    """Write what stages did as one line of JSON."""
    names = ("rows_in", "rows_out", "rows_rejected", "message")
    done = [
        {"stage": stage.name, **{name: getattr(each, name) for name in names}}
        for stage, each in zip(stages, counts, strict=True)
    ]
    return json.dumps({"stages": done}, ensure_ascii=False)


def beside_jobs(name: str) -> Path:
    """Give a file or folder of conf/, which lies beside the folder of the job that runs."""
    return Path(sys.argv[0]).resolve().parent.parent / "conf" / name


def _default_config() -> Path | None:
    file = beside_jobs("local.yaml")
    return file if file.is_file() else None
