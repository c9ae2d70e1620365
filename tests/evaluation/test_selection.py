import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptknn.errors import MissingInputError
from promptknn.evaluation.selection import folds_of, nested_cross_validation, paired_difference


def test_a_clearly_better_option_is_chosen_in_every_fold() -> None:
    draw = np.random.default_rng(0)
    cosines = draw.normal(0.5, 0.01, (60, 4))
    cosines[:, 2] += 0.1
    found = nested_cross_validation(cosines, np.ones(60), np.arange(60), 5, 0)
    assert found.chosen == 2
    assert found.by_fold == (2,) * 5
    np.testing.assert_array_equal(found.held_out, cosines[:, 2])


def test_held_out_images_do_not_choose_for_themselves() -> None:
    # Each option is perfect on one fold's images alone: chosen by the others, it is never used
    # where it shines.
    groups = np.arange(20)
    fold_of = folds_of(groups, 5, 0)
    cosines = (fold_of[:, None] == np.arange(5)).astype(float)
    found = nested_cross_validation(cosines, np.ones(20), groups, 5, 0)
    assert found.held_out.max() == 0.0


@given(st.lists(st.integers(0, 10), max_size=60), st.integers(2, 6), st.integers(0, 3))
def test_a_group_stays_in_one_fold_and_no_fold_is_empty(
    groups: list[int], folds: int, seed: int
) -> None:
    numbers = np.array([*groups, *range(folds)])
    fold_of = folds_of(numbers, folds, seed)
    for group in set(groups):
        assert len(set(fold_of[numbers == group])) == 1
    assert set(fold_of) == set(range(folds))


def test_fewer_unlike_images_than_folds_are_refused() -> None:
    groups = np.array([3, 3, 3, 8])
    said = r"2 images of .* for 3 folds: name more in `evaluation.truths`, or lower `evaluation.f"
    with pytest.raises(MissingInputError, match=said):
        folds_of(groups, 3, 0)
    assert set(folds_of(groups, 2, 0)) == {0, 1}


def test_a_constant_gain_has_no_spread() -> None:
    baseline = np.random.default_rng(0).normal(size=30)
    gain = paired_difference(baseline + 0.25, baseline, np.ones(30), np.arange(30), 100, 0)
    np.testing.assert_allclose([gain.mean, gain.low, gain.high], 0.25, atol=1e-12)
