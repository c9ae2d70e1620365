"""The one place where failures end: in one sentence and an exit code."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from promptknn.console import say
from promptknn.errors import PromptKnnError, reason

BAD_INPUT, FAILED = 2, 1
# Java's, Python's and Arrow's words for it, in a worker, in the driver or in Spark itself.
_FULL_DISK = re.compile(r"No space left on device|Disk quota exceeded")
_KILLED_WORKER = "Python worker exited unexpectedly"


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
        known = known_failure(error) or full_disk(error)
        if known:
            say(console, known, debug)
            sys.exit(BAD_INPUT)
        unforeseen = f"{type(error).__name__}: {reason(error)} (--debug shows the whole trace)"
        say(console, killed_process(error) or unforeseen, debug)
        sys.exit(FAILED)


def known_failure(error: Exception) -> str | None:
    """Find a PromptKnnError that was raised in a Python worker in the text Spark gives of it."""
    for line in reversed(str(error).splitlines()):
        name, separator, message = line.strip().partition(": ")
        if separator and name.startswith("promptknn.errors."):
            return message
    return None


def full_disk(error: Exception) -> str | None:
    """Find in the text of a failure, Spark's included, that a disk is full."""
    for line in str(error).splitlines():
        found = _FULL_DISK.search(line)
        if found:
            where = line[found.start() :].rstrip(". ")
            return (
                f"A disk is full ({where}): make room for the lake, the index, `index.cache` and "
                f"Spark's temporary files (`spark.local.dir`), then run the job again; the index "
                f"that was active before is still there."
            )
    return None


def killed_process(error: Exception) -> str | None:
    """Find in a failure that a process of Spark's was killed, and say so."""
    if _KILLED_WORKER in str(error):
        return (
            "A Python worker of Spark ended unexpectedly (killed, or out of memory: fewer cores in "
            "`spark.master` need less): run the job again, which goes on where it stopped."
        )
    seen: BaseException | None = error
    while seen is not None:
        # By its name: who predicts one picture has no py4j.
        if type(seen).__name__ == "Py4JNetworkError" or isinstance(seen, ConnectionRefusedError):
            return (
                "Spark's Java process has ended (killed, or out of memory: see "
                "`spark.driver.memory`): run the job again, which goes on where it stopped."
            )
        seen = seen.__cause__ or seen.__context__
    return None
