"""Confidence: the cosine to the truth that a prediction's own signals let one expect."""

from dataclasses import dataclass

import numpy as np

from promptknn.evaluation.cosine import Doubles, Groups
from promptknn.evaluation.selection import folds_of


@dataclass(frozen=True)
class Calibration:
    """A linear fit: confidence = intercept + similarity * mean_similarity + agreement * agreement.

    It stays between -1 and 1, as a cosine does.
    """

    intercept: float
    similarity: float
    agreement: float

    def expected(self, signals: Doubles) -> Doubles:
        """Expect cosines from signals: float64, (n, 2) to float64, (n,)."""
        weights = np.array([self.similarity, self.agreement])
        expected: Doubles = np.clip(self.intercept + signals @ weights, -1.0, 1.0)
        return expected

    def sql(self, similarity: str, agreement: str) -> str:
        """Write the same as SQL over two columns."""
        line = f"{self.intercept!r} + {self.similarity!r} * {similarity} + {self.agreement!r} * "
        return f"CAST(greatest(-1.0, least(1.0, {line}{agreement})) AS FLOAT)"


def fit(signals: Doubles, cosines: Doubles, truths: Doubles) -> Calibration:
    """Fit by least squares, an image weighing as much as it has truths.

    Args:
        signals: float64, (n, 2), mean similarity and agreement.
        cosines: float64, (n,), mean cosine to the image's truths.
        truths: float64, (n,), how many truths each image has.
    """
    root = np.sqrt(truths)
    design = np.column_stack([np.ones(len(signals)), signals]) * root[:, None]
    solution = np.linalg.lstsq(design, cosines * root, rcond=None)[0]
    return Calibration(*map(float, solution))


def held_out(
    signals: Doubles, cosines: Doubles, truths: Doubles, groups: Groups, folds: int, seed: int
) -> Doubles:
    """Expect each image's cosine from a fit that has not seen its group: float64, (n,).

    Raises:
        MissingInputError: there are fewer groups than folds.
    """
    fold_of = folds_of(groups, folds, seed)
    expected = np.empty(len(cosines))
    for fold in range(folds):
        inside = fold_of != fold
        fitted = fit(signals[inside], cosines[inside], truths[inside])
        expected[~inside] = fitted.expected(signals[~inside])
    return expected
