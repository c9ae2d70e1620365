"""Mean cosine similarity to the true prompts, with bootstrap intervals."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptknn.encoders.encoder import Vectors

Doubles = npt.NDArray[np.float64]
Groups = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float


def mean_cosines(predicted: Vectors, truths: Vectors) -> Doubles:
    """Compare predictions of one image with each of its true prompts.

    Args:
        predicted: float32, (v, d), predictions of v variants, of any length; one of
            zeros, where no prompt was found, has a cosine of 0.
        truths: float32, (t, d), unit rows.

    Returns:
        float64, (v,), the mean cosine of each variant over the image's truths.
    """
    lengths = np.linalg.norm(predicted, axis=1, keepdims=True)
    lengths = np.where(lengths > 0, lengths, 1)
    cosines: Doubles = ((predicted / lengths) @ truths.T).astype(np.float64).mean(axis=1)
    return cosines


def bootstrap(
    cosines: Doubles, truths: Doubles, groups: Groups, samples: int, seed: int
) -> list[Estimate]:
    """Estimate the mean over all pairs of image and truth, and how sure it is.

    Groups are drawn, not pairs or images: the captions of one image are alike, and so are images
    of near-duplicate truths. All variants see the same draws, so that the difference of two columns
    is a paired one.

    Args:
        cosines: float64, (n, v), mean cosine of each image and variant.
        truths: float64, (n,), how many truths each image has.
        groups: int64, (n,), images of one group are drawn together.
        samples: bootstrap samples.
        seed: decides the draws.

    Returns:
        An estimate for each variant, by the percentiles 2.5 and 97.5.
    """
    distinct, group_of = np.unique(groups, return_inverse=True)
    count = len(distinct)
    weights = np.bincount(group_of, weights=truths)
    sums = np.zeros((count, cosines.shape[1]))
    np.add.at(sums, group_of, truths[:, None] * cosines)
    draw = np.random.default_rng(seed)
    means = np.empty((samples, cosines.shape[1]))
    for sample in range(samples):
        drawn = draw.integers(0, count, count)
        means[sample] = sums[drawn].sum(axis=0) / weights[drawn].sum()
    whole = truths @ cosines / truths.sum()
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return [Estimate(*map(float, parts)) for parts in zip(whole, low, high, strict=True)]
