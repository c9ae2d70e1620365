import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptknn.errors import SettingsError
from promptknn.index.factory import choose, choose_by_sample, lists_of, scores_again, train
from promptknn.settings import IndexSettings
from tests.shards import close_units, random_units

DIM = 384
MILLION = 10**6


def test_small_pools_are_searched_exactly() -> None:
    settings = IndexSettings(flat_below=1000)
    assert choose(1000, DIM, settings) == "Flat"
    assert choose(1001, DIM, settings).startswith("IVF")


@pytest.mark.parametrize(
    ("kind", "factory"),
    [
        ("flat", "Flat"),
        ("ivf_sq8", "IVF4000,SQ8"),
        ("ivf_fastscan", "IVF4000,PQ96x4fs,Refine(SQ8)"),
        ("ivf_fastscan12", "IVF4000,PQ96x4fs,Refine(2xSQ6)"),
        ("ivf_pq", "IVF4000,PQ96x8"),
    ],
)
def test_a_kind_that_is_set_is_kept(kind: str, factory: str) -> None:
    for flat_below in (0, 2 * MILLION):
        settings = IndexSettings.model_validate({"kind": kind, "flat_below": flat_below})
        assert choose(MILLION, DIM, settings) == factory


@pytest.mark.parametrize(
    ("bytes_a_prompt", "codes"),
    [(None, "PQ96x4fs,Refine(SQ8)"), (440, "PQ96x4fs,Refine(SQ8)"), (439, "SQ8"), (392, "SQ8"),
     (391, "PQ96x8"), (104, "PQ96x8")],
)  # fmt: skip
def test_what_fits_into_the_memory_is_chosen(bytes_a_prompt: int | None, codes: str) -> None:
    memory = bytes_a_prompt and bytes_a_prompt * MILLION
    assert choose(MILLION, DIM, IndexSettings(memory_bytes=memory)) == f"IVF4000,{codes}"


@pytest.mark.parametrize(
    ("bytes_a_prompt", "codes"),
    [(None, "PQ96x4fs,Refine(2xSQ6)"), (632, "PQ96x4fs,Refine(2xSQ6)"), (631, "SQ8"),
     (391, "PQ96x8")],
)  # fmt: skip
def test_where_8_bits_confuse_neighbours_12_are_kept_that_fit(
    bytes_a_prompt: int | None, codes: str
) -> None:
    settings = IndexSettings(memory_bytes=bytes_a_prompt and bytes_a_prompt * MILLION)
    assert choose(MILLION, DIM, settings, eight_bits_tell_apart=False) == f"IVF4000,{codes}"
    forced = IndexSettings(kind="ivf_fastscan")
    assert choose(MILLION, DIM, forced, eight_bits_tell_apart=False).endswith("Refine(SQ8)")


def test_a_sample_tells_whether_fastscan_reaches_the_recall() -> None:
    settings, queries = IndexSettings(flat_below=0), random_units(50, 32, seed=1)
    spread, close = random_units(2_000, 32, seed=0), close_units(2_000, 32, seed=0)
    eight, twelve = "IVF51,PQ8x4fs,Refine(SQ8)", "IVF51,PQ8x4fs,Refine(2xSQ6)"
    assert choose_by_sample(2_000, spread, queries, 100, settings) == eight
    assert choose_by_sample(2_000, close, queries, 100, settings) == twelve
    kept = settings.model_copy(update={"kind": "ivf_fastscan"})
    assert choose_by_sample(2_000, close, queries, 100, kept) == eight
    content = settings.model_copy(update={"target_recall": 0.5})
    assert choose_by_sample(2_000, close, queries, 100, content) == eight


def test_an_index_that_fits_nowhere_names_the_memory_it_needs() -> None:
    with pytest.raises(SettingsError, match=r"index.memory_bytes 1,000 .* raise it to 104,000,000"):
        choose(MILLION, DIM, IndexSettings(memory_bytes=1000))
    settings = IndexSettings(kind="flat", memory_bytes=10**9)
    with pytest.raises(SettingsError, match=r"raise it to 1,536,000,000 or more"):
        choose(MILLION, DIM, settings)


def test_vectors_that_cannot_be_cut_into_parts_are_kept_as_scalars() -> None:
    assert choose(MILLION, 383, IndexSettings()) == "IVF4000,SQ8"
    with pytest.raises(SettingsError, match=r"index.kind ivf_pq needs a dimension that 4 divides"):
        choose(MILLION, 383, IndexSettings(kind="ivf_pq"))


def test_a_kind_that_cannot_be_trained_on_so_few_prompts_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"needs 256 prompts to learn from, and there are 255"):
        choose(255, DIM, IndexSettings(kind="ivf_pq"))
    assert choose(15, DIM, IndexSettings(flat_below=0)) == "IVF1,SQ8"


@given(st.integers(1, 10**9), st.integers(1, 10**6))
def test_every_list_has_rows_to_be_trained_on(rows: int, training_rows: int) -> None:
    factory = choose(rows, DIM, IndexSettings(kind="ivf_sq8", training_rows=training_rows))
    lists = lists_of(factory)
    assert lists >= 1
    assert factory == f"IVF{lists},SQ8"
    assert lists == 1 or lists * 39 <= min(rows, training_rows)


def test_lists_grow_with_the_root_of_the_rows() -> None:
    settings = IndexSettings(kind="ivf_sq8", training_rows=10**6)
    assert choose(10**6, DIM, settings) == "IVF4000,SQ8"
    assert choose(4 * 10**6, DIM, settings) == "IVF8000,SQ8"


@pytest.mark.parametrize(
    "factory", ["Flat", "IVF3,SQ8", "IVF3,PQ2x4fs,Refine(SQ8)", "IVF3,PQ2x4fs,Refine(2xSQ6)"]
)
def test_a_trained_index_is_empty_and_measures_inner_products(factory: str) -> None:
    index = train(factory, random_units(150, 8, seed=0))
    assert index.is_trained
    assert (index.ntotal, index.d) == (0, 8)
    assert index.metric_type == faiss.METRIC_INNER_PRODUCT


def test_training_is_the_same_every_time() -> None:
    sample = random_units(300, 8, seed=0)
    first, second = (train("IVF5,SQ8", sample) for _ in range(2))
    np.testing.assert_array_equal(faiss.serialize_index(first), faiss.serialize_index(second))


def test_what_fastscan_finds_is_scored_again() -> None:
    kinds = ["flat", "ivf_sq8", "ivf_pq", "ivf_fastscan", "ivf_fastscan12"]
    settings = [IndexSettings.model_validate({"kind": kind}) for kind in kinds]
    again = [scores_again(choose(MILLION, DIM, each)) for each in settings]
    assert again == [False, False, False, True, True]
