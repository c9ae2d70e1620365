"""The paper's combination of neighbours (section 3.3): E_pred = w1 * E_pred1 + w2 * E_pred2."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from promptknn.encoders.encoder import Vectors

Weighting = Literal["uniform", "power", "softmax"]
Space = Literal["sentence", "clip_mapped"]
# A prompt that matches exactly must not outweigh all others without bound.
_SMALLEST_DISTANCE = 1e-3


@dataclass(frozen=True)
class Combination:
    """How neighbours become one vector; the defaults are the paper's.

    Attributes:
        k: neighbours in E_pred1.
        w1: weight of E_pred1.
        w2: weight of E_pred2.
        normalise_parts: scale both parts to unit length before they are added; the paper does not.
        weighting: of neighbours in E_pred1; the paper's is uniform.
        power: p of the weights 1 / d^p, where d = 1 - similarity.
        temperature: t of the weights exp(similarity / t).
        space: whose vectors E_pred1 averages: the prompts' sentence embeddings, or their CLIP text
            embeddings, mapped into the sentence space.
        rescoring: weight of a second CLIP model's similarity in the neighbours' similarities.
        captions: how many predicted captions join the neighbours.
    """

    k: int = 100  # paper, table 2: "Clip + KNN (100)"
    w1: float = 0.6  # paper, section 3.3
    w2: float = 0.4  # paper, section 3.3
    normalise_parts: bool = False
    weighting: Weighting = "uniform"
    power: float = 4.0
    temperature: float = 0.05
    space: Space = "sentence"
    rescoring: float = 0.0
    captions: int = 0

    def in_space(self, space: Space) -> "Combination":
        """Give the same combination for the other reading of E_pred1."""
        return replace(self, space=space)

    def e_pred(
        self, similarities: Vectors, neighbours: Vectors, mapped: Vectors | None = None
    ) -> Vectors:
        """E_pred = w1 * E_pred1 + w2 * E_pred2.

        Args:
            similarities: float32, (n, at least k or all there are), best first; -inf at the end of
                rows that have fewer.
            neighbours: float32, (n, as many, d), the prompts' unit sentence embeddings.
            mapped: float32, (n, as many, d), their mapped CLIP text embeddings, which the space
                `clip_mapped` needs.

        Returns:
            float32, (n, d).
        """
        weights = self.weights(similarities[:, : self.k])
        averaged = neighbours
        if self.space == "clip_mapped":
            assert mapped is not None, "the space clip_mapped averages mapped embeddings"
            averaged = mapped
        first, second = e_pred1(averaged[:, : self.k], weights), e_pred2(neighbours)
        if self.normalise_parts:
            length = np.linalg.norm(first, axis=1, keepdims=True)
            first = np.divide(first, length, out=np.zeros_like(first), where=length > 0)
        combined: Vectors = (self.w1 * first + self.w2 * second).astype(np.float32)
        return combined

    def signals(self, similarities: Vectors, neighbours: Vectors) -> Vectors:
        """Tell how good a prediction may be, without knowing the truth.

        Args:
            similarities: float32, (n, at least k or all there are), best first.
            neighbours: float32, (n, as many, d), the prompts' unit sentence embeddings.

        Returns:
            float32, (n, 2): the neighbours' mean similarity to the image, and their agreement,
            the length of their mean vector (1: all alike, 0: they cancel out).
        """
        weights = self.weights(similarities[:, : self.k])
        nearest = similarities[:, : self.k]
        mean = (weights * np.where(np.isfinite(nearest), nearest, np.float32(0))).sum(axis=1)
        agreement = np.linalg.norm(e_pred1(neighbours[:, : self.k], weights), axis=1)
        both: Vectors = np.stack([mean, agreement], axis=1).astype(np.float32)
        return both

    def weights(self, similarities: Vectors) -> Vectors:
        """Weigh neighbours by their similarity: float32, (n, k), rows that add up to 1.

        What has a similarity of -inf is no neighbour, and weighs nothing; a row of such adds up
        to 0.
        """
        there = np.isfinite(similarities)
        if self.weighting == "power":
            raw = np.maximum(1 - similarities, _SMALLEST_DISTANCE) ** np.float32(-self.power)
        elif self.weighting == "softmax":
            best = np.where(there[:, :1], similarities[:, :1], np.float32(0))
            raw = np.exp((similarities - best) / np.float32(self.temperature))
        else:
            raw = np.ones_like(similarities)
        raw = raw * there
        total = raw.sum(axis=1, keepdims=True)
        weights: Vectors = np.divide(raw, total, out=np.zeros_like(raw), where=total > 0)
        return weights


def e_pred1(neighbours: Vectors, weights: Vectors) -> Vectors:
    """E_pred1: the mean of the top-k prompts' embeddings.

    The paper averages CLIP text embeddings and adds them to a sentence embedding, which cannot be
    meant literally: the spaces differ. By default the same prompts' sentence embeddings are
    averaged; `clip_mapped` takes their CLIP text embeddings through a linear map first.

    Args:
        neighbours: float32, (n, k, d), best first.
        weights: float32, (n, k), rows that add up to 1; 1 / k everywhere in the paper.

    Returns:
        float32, (n, d).
    """
    mean: Vectors = np.einsum("nk,nkd->nd", weights, neighbours)
    return mean


def e_pred2(neighbours: Vectors) -> Vectors:
    """E_pred2: the sentence embedding of prompt_m, the prompt that CLIP ranks first.

    Args:
        neighbours: float32, (n, k, d), unit vectors, best first.

    Returns:
        float32, (n, d).
    """
    return neighbours[:, 0]
