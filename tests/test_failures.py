from promptknn.failures import known_failure

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
