"""The console of jobs and commands."""

import traceback

from rich.console import Console
from rich.text import Text

_LOG_WIDTH = 140


def wide_console(stderr: bool = True) -> Console:
    """Make a console: the terminal, or lines of fair width in a log."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=_LOG_WIDTH)


def say(console: Console, sentence: str, debug: bool = False) -> None:
    """Say a sentence in promptknn's name, after the stack trace of what failed if asked to."""
    if debug:
        traceback.print_exc()
    # As a Text: in markup, `promptknn[demo]` would lose its brackets.
    console.print(Text.assemble(("promptknn:", "bold red"), f" {sentence}"), soft_wrap=True)
