"""The command `promptknn`: its arguments, and what they run."""

import argparse
import sys
from collections.abc import Sequence

from promptknn import __version__
from promptknn.cli import doctor, predict
from promptknn.cli.jobs import listing
from promptknn.console import wide_console
from promptknn.failures import BAD_INPUT, one_sentence

_DESCRIPTION = "Predict the text prompts that would make your images."


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command and its parts."""
    top = argparse.ArgumentParser(
        "promptknn",
        description=_DESCRIPTION,
        epilog=listing(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"promptknn {__version__}")
    parts = top.add_subparsers(title="commands", metavar="COMMAND")
    for name, part in (("predict", predict), ("doctor", doctor)):
        own = parts.add_parser(name, help=part.SUMMARY, description=part.SUMMARY)
        part.add_arguments(own)
        own.set_defaults(run=part.run)
    return top


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command and leave with its exit code: 0, 2 for what the user can mend, 1 otherwise.

    Args:
        argv: the arguments; None takes those of the process.
    """
    top = parser()
    options = top.parse_args(argv)
    if not hasattr(options, "run"):
        top.print_help(sys.stderr)
        sys.exit(BAD_INPUT)
    with one_sentence(wide_console(), options.debug, "Stopped."):
        sys.exit(options.run(options))
