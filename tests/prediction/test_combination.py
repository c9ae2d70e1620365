import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from promptknn.encoders.encoder import Vectors, unit
from promptknn.prediction.combination import Combination, Space, Weighting, e_pred1, e_pred2
from tests.shards import random_units

N, FOUND, DIM = 4, 30, 6
SIMILARITIES = -np.sort(-np.random.default_rng(0).uniform(-0.2, 1, (N, FOUND)), axis=1).astype(
    np.float32
)
NEIGHBOURS = random_units(N * FOUND, DIM, seed=1).reshape(N, FOUND, DIM)
MAPPED = np.random.default_rng(2).normal(size=(N, FOUND, DIM)).astype(np.float32)
WEIGHTINGS: tuple[Weighting, ...] = ("uniform", "power", "softmax")


def test_the_paper_s_formula() -> None:
    found = Combination(k=10, w1=0.6, w2=0.4).e_pred(SIMILARITIES, NEIGHBOURS)
    expected = [0.6 * sum(row[:10]) / 10 + 0.4 * row[0] for row in NEIGHBOURS]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_defaults_are_the_paper_s() -> None:
    np.testing.assert_array_equal(
        Combination().e_pred(SIMILARITIES, NEIGHBOURS),
        Combination(100, 0.6, 0.4, normalise_parts=False, weighting="uniform").e_pred(
            SIMILARITIES, NEIGHBOURS
        ),
    )


def test_the_row_clip_of_table_2_is_the_first_prompt_alone() -> None:
    found = Combination(w1=0, w2=1).e_pred(SIMILARITIES, NEIGHBOURS)
    np.testing.assert_array_equal(found, NEIGHBOURS[:, 0])


def test_k_of_one_is_the_first_prompt_whatever_the_weights() -> None:
    for weighting in WEIGHTINGS:
        found = Combination(k=1, w1=0.6, w2=0.4, weighting=weighting)
        np.testing.assert_allclose(
            found.e_pred(SIMILARITIES, NEIGHBOURS), NEIGHBOURS[:, 0], atol=1e-6
        )


def test_neighbours_beyond_k_do_not_count() -> None:
    for weighting in WEIGHTINGS:
        combination = Combination(k=7, weighting=weighting)
        every = combination.e_pred(SIMILARITIES, NEIGHBOURS)
        seven = combination.e_pred(SIMILARITIES[:, :7], NEIGHBOURS[:, :7])
        np.testing.assert_allclose(every, seven, atol=1e-6)
        np.testing.assert_allclose(
            combination.signals(SIMILARITIES, NEIGHBOURS),
            combination.signals(SIMILARITIES[:, :7], NEIGHBOURS[:, :7]),
            atol=1e-6,
        )


def test_fewer_neighbours_than_k_are_averaged_over_those_there_are() -> None:
    found = Combination(k=1000, w1=1, w2=0).e_pred(SIMILARITIES, NEIGHBOURS)
    np.testing.assert_allclose(found, NEIGHBOURS.mean(axis=1), atol=1e-6)


def test_normalised_parts_have_unit_length_before_they_are_added() -> None:
    found = Combination(k=10, w1=0.6, w2=0.4, normalise_parts=True).e_pred(SIMILARITIES, NEIGHBOURS)
    expected = 0.6 * unit(NEIGHBOURS[:, :10].mean(axis=1)) + 0.4 * NEIGHBOURS[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_mapped_space_averages_mapped_vectors_and_adds_the_sentence_embedding() -> None:
    combination = Combination(k=10, w1=0.6, w2=0.4).in_space("clip_mapped")
    found = combination.e_pred(SIMILARITIES, NEIGHBOURS, MAPPED)
    expected = 0.6 * MAPPED[:, :10].mean(axis=1) + 0.4 * NEIGHBOURS[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_sentence_space_takes_no_notice_of_mapped_vectors() -> None:
    combination = Combination(k=10)
    np.testing.assert_array_equal(
        combination.e_pred(SIMILARITIES, NEIGHBOURS, MAPPED),
        combination.e_pred(SIMILARITIES, NEIGHBOURS),
    )


def test_the_mapped_space_is_refused_without_mapped_vectors() -> None:
    with pytest.raises(AssertionError, match="averages mapped embeddings"):
        Combination(space="clip_mapped").e_pred(SIMILARITIES, NEIGHBOURS)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@given(arrays(np.float32, (3, 9), elements=st.floats(-1, np.float32(1.001), width=32)))
def test_weights_add_up_to_one_and_fall_with_similarity(
    weighting: Weighting, similarities: Vectors
) -> None:
    best_first = -np.sort(-similarities, axis=1)
    weights = Combination(weighting=weighting).weights(best_first)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    assert (weights >= 0).all()
    assert (np.diff(weights, axis=1) <= 1e-7).all()


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("space", ["sentence", "clip_mapped"])
def test_empty_places_change_nothing(weighting: Weighting, space: Space) -> None:
    combination = Combination(k=7, weighting=weighting, space=space)
    draw = np.random.default_rng(0)
    similarities = -np.sort(-draw.uniform(0.1, 0.9, (3, 4)).astype(np.float32), axis=1)
    neighbours, mapped = (draw.normal(size=(3, 4, 6)).astype(np.float32) for _ in range(2))
    more = np.pad(similarities, ((0, 0), (0, 5)), constant_values=-np.inf)
    padded, padded_mapped = (
        np.pad(vectors, ((0, 0), (0, 5), (0, 0))) for vectors in (neighbours, mapped)
    )
    np.testing.assert_allclose(
        combination.e_pred(more, padded, padded_mapped),
        combination.e_pred(similarities, neighbours, mapped),
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        combination.signals(more, padded),
        combination.signals(similarities, neighbours),
        rtol=1e-6,
    )


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("normalise_parts", [False, True])
def test_a_row_without_neighbours_is_zeros(weighting: Weighting, normalise_parts: bool) -> None:
    combination = Combination(k=3, weighting=weighting, normalise_parts=normalise_parts)
    nothing = np.full((1, 3), -np.inf, dtype=np.float32)
    vectors = np.zeros((1, 3, 4), dtype=np.float32)
    assert not combination.e_pred(nothing, vectors).any()
    assert not combination.signals(nothing, vectors).any()


def test_power_weights_are_inverse_powers_of_the_distance() -> None:
    similarities = np.array([[0.9, 0.8, 0.5]], np.float32)
    raw = np.array([0.1**-2, 0.2**-2, 0.5**-2])
    found = Combination(weighting="power", power=2.0).weights(similarities)
    np.testing.assert_allclose(found[0], raw / raw.sum(), rtol=1e-5)


def test_softmax_weights_are_powers_of_e() -> None:
    similarities = np.array([[0.9, 0.8, 0.5]], np.float32)
    raw = np.exp(np.array([0.9, 0.8, 0.5]) / 0.1)
    found = Combination(weighting="softmax", temperature=0.1).weights(similarities)
    np.testing.assert_allclose(found[0], raw / raw.sum(), rtol=1e-4)


def test_an_exact_match_does_not_outweigh_all_others_without_bound() -> None:
    similarities = np.array([[1.0, 0.9995, 0.5]], np.float32)
    weights = Combination(weighting="power").weights(similarities)[0]
    assert weights[0] == weights[1]
    assert weights[2] > 0


def test_the_parts_stand_alone() -> None:
    weights = np.full((N, FOUND), 1 / FOUND, np.float32)
    np.testing.assert_allclose(e_pred1(NEIGHBOURS, weights), NEIGHBOURS.mean(axis=1), atol=1e-6)
    np.testing.assert_array_equal(e_pred2(NEIGHBOURS), NEIGHBOURS[:, 0])


def test_neighbours_that_are_all_alike_agree_and_opposite_ones_do_not() -> None:
    similarities = np.full((2, 4), 0.5, np.float32)
    alike = np.tile(np.eye(1, 3, dtype=np.float32), (4, 1))
    opposite = alike * np.array([[1], [-1], [1], [-1]], np.float32)
    signals = Combination(k=4).signals(similarities, np.stack([alike, opposite]))
    np.testing.assert_allclose(signals, [[0.5, 1], [0.5, 0]], atol=1e-6)
