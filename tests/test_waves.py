import math
import random

from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from promptknn.waves import Missing, Wave, plan_waves, smallest_keys, smallest_waves

KEYS = st.text("0123456789abcdef", min_size=32, max_size=32)
EDGE_KEYS = ["0" * 32, "f" * 32, "7fffffff" + "f" * 24, "80000000" + "0" * 24]


def _all(rows: int) -> Missing:
    return Missing(rows, "0" * 32, "f" * 32)


def _holds(wave: Wave, key: str) -> bool:
    return key >= wave.low and (wave.high is None or key < wave.high)


@given(st.integers(1, 5_000), st.integers(1, 500), st.lists(KEYS, max_size=20))
def test_every_key_lies_in_exactly_one_wave(rows: int, rows_per_wave: int, keys: list[str]) -> None:
    every = keys + EDGE_KEYS
    for some in (every, sorted(every)[1:-1]):
        missing = Missing(rows, min(some), max(some))
        waves = list(plan_waves(missing, rows_per_wave))
        for key in some:
            assert sum(_holds(wave, key) for wave in waves) == 1


@given(st.integers(0, 5_000), st.integers(1, 1_000))
def test_there_are_as_many_waves_as_the_rows_need(rows: int, rows_per_wave: int) -> None:
    assert len(list(plan_waves(_all(rows), rows_per_wave))) == -(-rows // rows_per_wave)


def test_no_rows_need_no_wave() -> None:
    assert list(plan_waves(Missing(0, None, None), 10)) == []


def test_waves_are_equal_ranges() -> None:
    assert list(plan_waves(_all(40), 10)) == [
        Wave("00000000", "40000000"),
        Wave("40000000", "80000000"),
        Wave("80000000", "c0000000"),
        Wave("c0000000", None),
    ]


def test_what_a_killed_run_left_is_cut_into_waves_as_large_as_before() -> None:
    draw = random.Random(0)
    keys = sorted(f"{draw.getrandbits(128):032x}" for _ in range(10_000))[9_000:]
    waves = list(plan_waves(Missing(len(keys), keys[0], keys[-1]), 100))
    sizes = [sum(_holds(wave, key) for key in keys) for wave in waves]
    assert sum(sizes) == len(keys)
    assert len(sizes) == 10
    assert max(sizes) < 150


def test_missing_rows_are_counted_with_the_ends_of_their_keys(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(f"{number:08x}",) for number in (7, 3, 255)], "key string")
    assert Missing.of(frame, "key") == Missing(3, "00000003", "000000ff")
    assert Missing.of(frame.where("key < '0'"), "key") == Missing(0, None, None)


def test_the_condition_names_both_ends_but_for_the_last_wave() -> None:
    assert Wave("40000000", "80000000").condition("t.prompt_id") == (
        "t.prompt_id >= '40000000' AND t.prompt_id < '80000000'"
    )
    assert Wave("c0000000", None).condition("prompt_id") == "prompt_id >= 'c0000000'"


@given(st.integers(1, 5_000), st.integers(1, 6_000), st.integers(1, 9_000), st.integers(0, 2**32))
def test_smallest_waves_are_enough_and_few_more(
    rows: int, wanted: int, rows_per_wave: int, seed: int
) -> None:
    draw = random.Random(seed)
    keys = sorted(f"{draw.getrandbits(128):032x}" for _ in range(rows))
    waves = smallest_waves(rows, wanted, rows_per_wave)
    found = [key for wave in waves for key in keys if _holds(wave, key)]
    assert found == keys[: len(found)]
    assert min(wanted, rows) <= len(found) <= wanted + 16 * wanted**0.5 + 120
    in_waves = wanted + 7 * wanted**0.5 + 50
    assert len(waves) == -(-min(math.ceil(in_waves), rows) // rows_per_wave)


def test_smallest_keys_are_one_wave() -> None:
    assert smallest_keys("key", 1_000_000, 100) == "key >= '00000000' AND key < '000e6afc'"
    assert smallest_keys("key", 100, 100) == "key >= '00000000'"
