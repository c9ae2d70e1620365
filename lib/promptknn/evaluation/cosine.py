"""Mean cosine similarity to the true prompts, with bootstrap intervals."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptknn.encoders.encoder import Vectors

Doubles = npt.NDArray[np.float64]


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


def bootstrap(cosines: Doubles, truths: Doubles, samples: int, seed: int) -> list[Estimate]:
    """Estimate the mean over all pairs of image and truth, and how sure it is.

    Images are drawn, not pairs: the captions of one image are alike. All variants see the same
    draws, so that the difference of two columns is a paired one.

    Args:
        cosines: float64, (n, v), mean cosine of each image and variant.
        truths: float64, (n,), how many truths each image has.
        samples: bootstrap samples.
        seed: decides the draws.

    Returns:
        An estimate for each variant, by the percentiles 2.5 and 97.5.
    """
    draw = np.random.default_rng(seed)
    images = len(cosines)
    means = np.empty((samples, cosines.shape[1]))
    for sample in range(samples):
        drawn = draw.integers(0, images, images)
        weights = truths[drawn]
        means[sample] = weights @ cosines[drawn] / weights.sum()
    whole = truths @ cosines / truths.sum()
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return [Estimate(*map(float, parts)) for parts in zip(whole, low, high, strict=True)]
