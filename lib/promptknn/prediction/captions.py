"""Captions predicted for a picture from its class profile, as candidates beside the prompts found.

Only `package-default` tells classes: the caption of a picture's j best classes names these j.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from promptknn.deduplication.prompt_ids import prompt_id
from promptknn.encoders.encoder import Vectors
from promptknn.encoders.models import Models
from promptknn.encoders.package_default import class_names
from promptknn.index.neighbours import Neighbours, merge
from promptknn.index.prompt_reading import FoundPrompts
from promptknn.index.shard import Ordinals, Texts

_CAPTIONS_KEPT = 100_000


@dataclass(frozen=True)
class CaptionShard:
    """Captions, read as the prompts of a shard are.

    Attributes:
        captions: str, (m,).
        vectors: float32, (m, d), their sentence embeddings.
    """

    captions: Texts
    vectors: Vectors

    def texts(self, ordinals: Ordinals) -> Texts:
        """Give captions as an array of str."""
        return self.captions[ordinals]

    def sentence(self, ordinals: Ordinals) -> Vectors:
        """Give the captions' sentence embeddings: float32, (n, d)."""
        return self.vectors[ordinals]

    def mapped(self, ordinals: Ordinals) -> Vectors:
        """Give the same: the text tower of `package-default` is the sentence model."""
        return self.sentence(ordinals)


def compose(profile: Vectors, names: Sequence[str], count: int) -> list[str]:
    """Write captions: the j-th names the j best classes.

    Args:
        profile: float32, (classes,), a picture's class profile.
        names: of the classes.
        count: how many captions.
    """
    best = [names[place] for place in np.argsort(-profile, kind="stable")[:count]]
    return [f"a photo of {' and '.join(best[:number])}" for number in range(1, len(best) + 1)]


def with_captions(
    prompts: FoundPrompts,
    found: Neighbours,
    profiles: Vectors,
    models: Models,
    count: int,
    k: int,
) -> tuple[FoundPrompts, Neighbours]:
    """Let predicted captions join the neighbours, each in its place by similarity.

    Args:
        prompts: what the neighbours point into.
        found: at most k neighbours an image.
        profiles: float32, (n, classes), the images' class profiles.
        models: of the index.
        count: captions an image.
        k: how many are wanted of both.

    Returns:
        The prompts with the captions beside them, and the k nearest of both; a caption's prompt_id
        starts with `caption:`.
    """
    if not len(profiles):
        return prompts, found
    captions = [compose(profile, class_names(), count) for profile in profiles]
    flat = np.array([caption for each in captions for caption in each], dtype=object)
    vectors = np.stack([_encoded(models, caption) for caption in flat])
    shape = (len(profiles), len(captions[0]))
    keys = prompts.query_map.keys(vectors).reshape(*shape, -1)
    similarities = np.einsum("nd,ncd->nc", prompts.query_map.queries(profiles), keys)
    beside = Neighbours(
        similarities.astype(np.float32),
        np.array([_id(caption) for caption in flat], dtype=object).reshape(shape),
        np.full(shape, len(prompts.stored), dtype=np.int64),
        np.arange(len(flat), dtype=np.int64).reshape(shape),
    )
    extended = FoundPrompts(prompts.stored, prompts.query_map, CaptionShard(flat, vectors))
    return extended, merge([found, beside], k)


def _id(caption: str) -> str:
    return f"caption:{prompt_id(caption)}"


@lru_cache(maxsize=_CAPTIONS_KEPT)
def _encoded(models: Models, caption: str) -> Vectors:
    vector: Vectors = models.sentence_encoder().encode_texts([caption])[0]
    return vector
