"""The one place where failures end: in one sentence and an exit code."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from promptknn.console import say
from promptknn.errors import PromptKnnError, reason

BAD_INPUT, FAILED = 2, 1


@contextmanager
def one_sentence(console: Console, debug: bool, when_stopped: str) -> Iterator[None]:
    """End the process in one sentence if the body fails: 2 for what the user can mend, else 1.

    Args:
        console: where it is said.
        debug: whether the stack trace is shown too.
        when_stopped: the sentence for an interrupt.
    """
    try:
        yield
    except PromptKnnError as error:
        say(console, str(error), debug)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        say(console, when_stopped, debug)
        sys.exit(FAILED)
    except Exception as error:
        known = known_failure(error)
        if known:
            say(console, known, debug)
            sys.exit(BAD_INPUT)
        unforeseen = f"{type(error).__name__}: {reason(error)} (--debug shows the whole trace)"
        say(console, unforeseen, debug)
        sys.exit(FAILED)


def known_failure(error: Exception) -> str | None:
    """Find a PromptKnnError that was raised in a Python worker in the text Spark gives of it."""
    for line in reversed(str(error).splitlines()):
        name, separator, message = line.strip().partition(": ")
        if separator and name.startswith("promptknn.errors."):
            return message
    return None
