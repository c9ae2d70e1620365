"""Choosing an option without fooling oneself: nested cross-validation, paired differences."""

from dataclasses import dataclass

import numpy as np

from promptknn.errors import MissingInputError
from promptknn.evaluation.cosine import Doubles, Estimate, Groups, bootstrap


@dataclass(frozen=True)
class Selection:
    """What nested cross-validation found.

    Attributes:
        chosen: the option that is best on all images: the one to use.
        by_fold: the option that was best on the other folds' images, a fold.
        held_out: float64, (n,), cosine of each image under the option chosen without its fold.
    """

    chosen: int
    by_fold: tuple[int, ...]
    held_out: Doubles


def nested_cross_validation(
    cosines: Doubles, truths: Doubles, groups: Groups, folds: int, seed: int
) -> Selection:
    """Choose the best of several options, and score the choosing itself.

    Args:
        cosines: float64, (n, v), mean cosine of each image and option.
        truths: float64, (n,), how many truths each image has.
        groups: int64, (n,), images of one group stay in one fold.
        folds: how many.
        seed: decides which groups a fold gets.

    Raises:
        MissingInputError: there are fewer groups than folds.
    """
    fold_of = folds_of(groups, folds, seed)
    held_out = np.empty(len(cosines))
    by_fold = []
    for fold in range(folds):
        inside = fold_of != fold
        best = _best(cosines[inside], truths[inside])
        held_out[~inside] = cosines[~inside, best]
        by_fold.append(best)
    return Selection(_best(cosines, truths), tuple(by_fold), held_out)


def folds_of(groups: Groups, folds: int, seed: int) -> Groups:
    """Deal groups out to folds, by chance and evenly: int64, (n,), the fold of each image.

    Raises:
        MissingInputError: some fold would get none.
    """
    distinct = np.unique(groups)
    if len(distinct) < folds:
        raise MissingInputError(
            f"{len(distinct):,} images of unlike truths are too few for {folds} folds: name more "
            f"in `evaluation.truths`, or lower `evaluation.folds`."
        )
    dealt = np.random.default_rng(seed).permutation(len(distinct)) % folds
    return np.asarray(dealt[np.searchsorted(distinct, groups)], dtype=np.int64)


def paired_difference(
    better: Doubles, baseline: Doubles, truths: Doubles, groups: Groups, samples: int, seed: int
) -> Estimate:
    """Estimate how much better one is than the other on the same images: bootstrap, 95 %."""
    return bootstrap((better - baseline)[:, None], truths, groups, samples, seed)[0]


def _best(cosines: Doubles, truths: Doubles) -> int:
    return int(np.argmax(truths @ cosines))
