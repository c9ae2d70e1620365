"""`promptknn doctor`: says what is missing, and how to mend it."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from promptknn.console import wide_console
from promptknn.failures import FAILED
from promptknn.options import add_shared_options

if TYPE_CHECKING:
    from promptknn.cli.checks import Check

SUMMARY = "say what is missing here, and how to mend it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings file (YAML): its lake and models count",
    )
    add_shared_options(parser, "print one JSON line")


def run(options: argparse.Namespace) -> int:
    """Look, and show what was found.

    Returns:
        The exit code: 1 if something that jobs need is missing.
    """
    from promptknn.cli.checks import environment, models, places
    from promptknn.settings_file import load_online_settings

    settings = load_online_settings(options.config, options.overrides)
    found = [*environment(), models(settings)]
    if options.config:
        found += places(settings)
    bad = [check for check in found if check.needed and not check.good]
    if options.json:
        line = {"good": not bad, "checks": [asdict(check) for check in found]}
        sys.stdout.write(f"{json.dumps(line, ensure_ascii=False)}\n")
    else:
        _show(found, len(bad))
    return FAILED if bad else 0


def _show(checks: "Sequence[Check]", bad: int) -> None:
    table = Table(title="promptknn on this machine", title_justify="left")
    table.add_column()
    table.add_column("part")
    table.add_column("found", overflow="fold")
    table.add_column("how to mend it", overflow="fold")
    for check in checks:
        table.add_row(_mark(check), check.name, Text(check.found), Text(_cure(check)))
    console = wide_console(stderr=False)
    console.print(table)
    console.print("Jobs can run here." if not bad else f"{bad} to mend before jobs can run here.")


def _mark(check: "Check") -> Text:
    if check.good:
        return Text("✓", "green")
    return Text("✗", "bold red") if check.needed else Text("-", "yellow")


def _cure(check: "Check") -> str:
    return "" if check.good else check.cure
