import pytest
from py4j.protocol import Py4JNetworkError

from promptknn.failures import full_disk, killed_process, known_failure

FROM_A_WORKER = """
Traceback (most recent call last):
promptknn.errors.ModelLoadError: The CLIP model 'x' cannot be loaded: set `clip.model`.
"""


def test_a_failure_that_nobody_named_is_not_known() -> None:
    assert known_failure(ValueError("promptknn.errors without a name")) is None
    assert known_failure(ValueError("")) is None


def test_the_last_named_failure_of_a_trace_counts() -> None:
    trace = f"{FROM_A_WORKER}\npromptknn.errors.InvalidVectorError: Vector 3 is not finite.\n at x"
    assert known_failure(RuntimeError(trace)) == "Vector 3 is not finite."


@pytest.mark.parametrize(
    "text",
    [
        "[Errno 28] No space left on device: '/lake/x'",
        "An error occurred while calling o7.sql.\n: org.apache.spark.SparkException: aborted\n"
        "Caused by: java.io.IOException: No space left on device\n\tat java.base/x",
        "OSError: [Errno 122] Disk quota exceeded",
    ],
)
def test_a_full_disk_is_one_sentence_wherever_it_was_met(text: str) -> None:
    said = full_disk(RuntimeError(text))
    assert said is not None
    assert said.startswith("A disk is full (")
    assert "make room" in said
    assert "\n" not in said


def test_another_failure_is_no_full_disk() -> None:
    assert full_disk(RuntimeError("the device is on fire")) is None


def test_a_process_that_was_killed_is_said_with_what_to_do() -> None:
    trace = "An error occurred while calling o1.sql.\nCaused by: Python worker exited unexpectedly"
    assert "A Python worker of Spark ended" in str(killed_process(RuntimeError(trace)))
    gone = Py4JNetworkError("Answer from Java side is empty")
    wrapped = RuntimeError("reentrant call")
    wrapped.__context__ = ConnectionRefusedError(111, "Connection refused")
    for error in (gone, wrapped):
        assert "Spark's Java process has ended" in str(killed_process(error))
    assert killed_process(RuntimeError("Answer from Java side is empty")) is None
