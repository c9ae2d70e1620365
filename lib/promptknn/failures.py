"""The one place where failures end: in one sentence and an exit code."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from promptknn.console import say
from promptknn.errors import PromptKnnError, reason

BAD_INPUT, FAILED = 2, 1
_SPARK_HAS_ENDED = (
    "Spark's Java process has ended (killed, or out of memory: see `spark.driver.memory`): run the "
    "job again, which goes on where it stopped."
)
# Java's, Python's and Arrow's words for it, in a worker, in the driver or in Spark itself.
_FULL_DISK = re.compile(r"No space left on device|Disk quota exceeded")


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
        if spark_has_ended(error):
            say(console, _SPARK_HAS_ENDED, debug)
            sys.exit(FAILED)
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


def full_disk(error: Exception) -> str | None:
    """Find in the text of a failure, Spark's included, that a disk is full."""
    for line in str(error).splitlines():
        if _FULL_DISK.search(line):
            return (
                f"A disk is full ({line.strip().rstrip('.')[:200]}): make room for the lake, the "
                f"index and Spark's temporary files (`spark.local.dir`), then run the job again; "
                f"the index that was active before is still there."
            )
    return None


def spark_has_ended(error: BaseException | None) -> bool:
    """Tell whether a failure comes from a Java process that is no longer there."""
    while error is not None:
        # By its name: who predicts one picture has no py4j.
        if type(error).__name__ == "Py4JNetworkError" or isinstance(error, ConnectionRefusedError):
            return True
        error = error.__cause__ or error.__context__
    return False
