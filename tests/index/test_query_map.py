import operator
from functools import reduce
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptknn.encoders.encoder import Vectors, unit
from promptknn.errors import InvalidVectorError, ModelMismatchError
from promptknn.index.query_map import (
    QueryMap,
    centred_class_vectors,
    centred_map,
    conse_map,
    identity_map,
    profile_sums,
    ridge_map,
    text_profiles,
)
from tests.shards import random_units

CLASSES, DIM, ROWS = 12, 6, 80
PENALTY_PER_ROW = 5 / 4252
CLASS_VECTORS = centred_class_vectors(random_units(CLASSES, DIM, seed=1))
TEXTS = random_units(ROWS, DIM, seed=2)
MEAN = TEXTS.mean(axis=0)
PROFILES = np.sqrt(np.random.default_rng(3).dirichlet(np.ones(CLASSES), 5)).astype(np.float32)


def _ridge() -> QueryMap:
    return ridge_map(profile_sums(TEXTS, MEAN, CLASS_VECTORS), MEAN)


def _every_map() -> list[QueryMap]:
    return [
        identity_map(CLASSES),
        centred_map(PROFILES.mean(axis=0), MEAN),
        conse_map(CLASS_VECTORS, MEAN),
        _ridge(),
    ]


def _cosine(a: Vectors, b: Vectors) -> Vectors:
    return (unit(a) * unit(b)).sum(axis=1)


def test_the_identity_only_scales() -> None:
    images = 3 * random_units(4, DIM, seed=4)
    np.testing.assert_allclose(identity_map(DIM).queries(images), images / 3, atol=1e-6)
    np.testing.assert_allclose(identity_map(DIM).keys(2 * TEXTS), TEXTS, atol=1e-6)


def test_centring_takes_its_own_mean_from_each_side() -> None:
    images = random_units(4, DIM, seed=4)
    centred = centred_map(images.mean(axis=0), MEAN)
    expected = unit(images - images.mean(axis=0))
    np.testing.assert_allclose(centred.queries(images), expected, atol=1e-6)
    np.testing.assert_allclose(centred.keys(TEXTS), unit(TEXTS - MEAN), atol=1e-6)


def test_conse_weighs_class_vectors_by_probabilities() -> None:
    queries = conse_map(CLASS_VECTORS, MEAN).queries(PROFILES)
    probabilities = PROFILES**2
    expected = np.stack([
        sum(p * v for p, v in zip(row, CLASS_VECTORS, strict=True)) for row in probabilities
    ])  # fmt: skip
    np.testing.assert_allclose(queries, unit(expected), atol=1e-5)


def test_conse_takes_a_sure_profile_to_its_class() -> None:
    np.testing.assert_allclose(
        conse_map(CLASS_VECTORS, MEAN).queries(np.eye(CLASSES, dtype=np.float32)),
        CLASS_VECTORS,
        atol=1e-6,
    )


def test_keys_of_every_other_map_are_centred_on_the_pool() -> None:
    for query_map in (conse_map(CLASS_VECTORS, MEAN), _ridge()):
        np.testing.assert_allclose(query_map.keys(TEXTS), unit(TEXTS - MEAN), atol=1e-6)


def test_ridge_is_least_squares_with_a_penalty() -> None:
    centred = (TEXTS - MEAN).astype(np.float64)
    profiles = text_profiles(unit(TEXTS - MEAN), CLASS_VECTORS).astype(np.float64)
    x = profiles - profiles.mean(axis=0)
    # A penalty is more rows: its root for every class, with the target zero.
    penalty = np.sqrt(PENALTY_PER_ROW * ROWS) * np.eye(CLASSES)
    more_rows = np.concatenate([centred, np.zeros((CLASSES, DIM))])
    weights, *_ = np.linalg.lstsq(np.concatenate([x, penalty]), more_rows, rcond=None)
    query_map = _ridge()
    np.testing.assert_allclose(query_map.weights, weights, atol=1e-4)
    np.testing.assert_allclose(query_map.image_mean, profiles.mean(axis=0), atol=1e-6)
    expected = unit(((PROFILES - profiles.mean(axis=0)) @ weights).astype(np.float32))
    np.testing.assert_allclose(query_map.queries(PROFILES), expected, atol=1e-4)


def test_ridge_brings_a_prompts_profile_near_the_prompt() -> None:
    profiles = text_profiles(unit(TEXTS - MEAN), CLASS_VECTORS)
    query_map = _ridge()
    right = _cosine(query_map.queries(profiles), query_map.keys(TEXTS))
    wrong = _cosine(query_map.queries(profiles), query_map.keys(TEXTS[::-1]))
    assert right.mean() > 0.8 > 0.3 > wrong.mean()


@settings(max_examples=30)
@given(st.lists(st.integers(1, ROWS - 1), unique=True, max_size=10))
def test_sums_over_any_split_are_those_over_the_whole(cuts: list[int]) -> None:
    parts = np.split(TEXTS, sorted(cuts))
    total = reduce(operator.add, [profile_sums(part, MEAN, CLASS_VECTORS) for part in parts])
    whole = profile_sums(TEXTS, MEAN, CLASS_VECTORS)
    assert total.rows == whole.rows == ROWS
    for name in ("x", "y", "xx", "xy"):
        np.testing.assert_allclose(getattr(total, name), getattr(whole, name), atol=1e-5)
    split, once = ridge_map(total, MEAN), ridge_map(whole, MEAN)
    np.testing.assert_allclose(split.weights, once.weights, atol=1e-3)


def test_profiles_of_texts_are_roots_of_probabilities() -> None:
    profiles = text_profiles(unit(TEXTS - MEAN), CLASS_VECTORS)
    np.testing.assert_allclose((profiles**2).sum(axis=1), 1, atol=1e-5)
    similarities = unit(TEXTS - MEAN) @ CLASS_VECTORS.T
    np.testing.assert_array_equal(profiles.argmax(axis=1), similarities.argmax(axis=1))
    odds = profiles[0, 0] ** 2 / profiles[0, 1] ** 2
    assert np.log(odds) * 0.05 == pytest.approx(similarities[0, 0] - similarities[0, 1], abs=1e-4)


def test_class_vectors_are_centred_units() -> None:
    vectors = random_units(20, 5, seed=9) + 1
    expected = unit(vectors - vectors.mean(axis=0))
    np.testing.assert_allclose(centred_class_vectors(vectors), expected, atol=1e-6)


def test_queries_and_keys_of_every_map_are_float32_units() -> None:
    for query_map in _every_map():
        queries = query_map.queries(PROFILES)
        assert queries.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1, atol=1e-5)


def test_images_of_another_model_are_refused_with_both_dimensions() -> None:
    for query_map in _every_map():
        with pytest.raises(ModelMismatchError, match=r"dimension 7, .* built for 12: embed the"):
            query_map.queries(np.ones((2, 7), np.float32))


def test_an_image_without_a_direction_is_refused() -> None:
    with pytest.raises(InvalidVectorError, match="Vector 1 of 2"):
        identity_map(2).queries(np.array([[1, 0], [0, 0]], np.float32))


def test_a_saved_map_is_loaded_as_it_was(volume: Path) -> None:
    for number, query_map in enumerate(_every_map()):
        folder = volume / str(number)
        folder.mkdir()
        query_map.save(folder)
        loaded = QueryMap.load(folder)
        assert loaded.kind == query_map.kind
        for name in ("image_mean", "weights", "pool_mean"):
            before, after = getattr(query_map, name), getattr(loaded, name)
            assert after.dtype == np.float32
            np.testing.assert_array_equal(after, before)
