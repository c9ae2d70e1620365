"""A cheap encoder that stands in for the models where only the number of prompts matters.

A text is the sum of seeded vectors of its words, so that texts that share words are alike. Words of
a letter or two count little, as articles do for a sentence model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import numpy as np
from PIL.Image import Image

from promptknn.encoders.encoder import Vectors, unit
from promptknn.encoders.models import Models

DIM = 384
_FULL_WEIGHT = 6
_WORDS_KEPT = 50_000


class HashingEncoder:
    """Turns texts into float32, (n, 384), unit rows."""

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return unit(np.stack([_sum(text) for text in texts]))

    # Part of the protocol alone: what is measured with it has vectors for images already.
    def encode_images(self, images: Sequence[Image]) -> Vectors:
        raise NotImplementedError("hashing knows words alone")


@dataclass(frozen=True)
class HashingModels(Models):
    """Models by name, hashing in fact."""

    @classmethod
    def instead_of(cls, models: Models) -> "HashingModels":
        return cls(**vars(models))

    def clip_encoder(self) -> HashingEncoder:
        return HashingEncoder()

    def sentence_encoder(self) -> HashingEncoder:
        return HashingEncoder()


def _sum(text: str) -> Vectors:
    total = np.zeros(DIM, dtype=np.float32)
    for word in text.lower().replace(",", " ").split():
        total += _vector(word)
    return total


@lru_cache(maxsize=_WORDS_KEPT)
def _vector(word: str) -> Vectors:
    weight = min(len(word), _FULL_WEIGHT) / _FULL_WEIGHT
    drawn = np.random.default_rng(crc32(word.encode())).standard_normal(DIM, dtype=np.float32)
    weighted: Vectors = drawn * np.float32(weight)
    return weighted
