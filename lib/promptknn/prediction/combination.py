"""The paper's combination of neighbours (section 3.3): E_pred = w1 * E_pred1 + w2 * E_pred2."""

import numpy as np

from promptknn.encoders.encoder import Vectors


def e_pred1(neighbours: Vectors) -> Vectors:
    """E_pred1: the mean of the top-k prompts' embeddings.

    The paper averages CLIP text embeddings and adds them to a sentence embedding, which cannot be
    meant literally: the spaces differ. We average the same prompts' sentence embeddings.

    Args:
        neighbours: float32, (n, k, d), unit vectors, best first.

    Returns:
        float32, (n, d).
    """
    mean: Vectors = neighbours.mean(axis=1)
    return mean


def e_pred2(neighbours: Vectors) -> Vectors:
    """E_pred2: the sentence embedding of prompt_m, the prompt that CLIP ranks first.

    Args:
        neighbours: float32, (n, k, d), unit vectors, best first.

    Returns:
        float32, (n, d).
    """
    return neighbours[:, 0]


def e_pred(
    neighbours: Vectors, k: int, w1: float, w2: float, normalise_parts: bool = False
) -> Vectors:
    """E_pred = w1 * E_pred1 + w2 * E_pred2.

    Args:
        neighbours: float32, (n, at least k or all there are, d), unit vectors, best first.
        k: neighbours to average.
        w1: weight of their mean.
        w2: weight of the first.
        normalise_parts: scale both parts to unit length first; the paper does not.

    Returns:
        float32, (n, d).
    """
    first, second = e_pred1(neighbours[:, :k]), e_pred2(neighbours)
    if normalise_parts:
        first = first / np.linalg.norm(first, axis=1, keepdims=True)
    combined: Vectors = (w1 * first + w2 * second).astype(np.float32)
    return combined
