"""The nearest prompts of images, brought together from the groups of shards that hold them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from promptknn.arrow_vectors import from_half_arrow
from promptknn.encoders.encoder import Vectors
from promptknn.index.neighbours import Neighbours
from promptknn.index.shard import Ordinals, Texts


@dataclass(frozen=True)
class GatheredPrompts:
    """Prompts in memory, read as those of a shard are.

    Attributes:
        prompts: str, (m,).
        vectors: float32, (m, d), sentence embeddings.
        mapped_vectors: float32, (m, d), mapped CLIP text embeddings; None where none was asked for.
        second_vectors: float32, (m, d2), of a second CLIP model; None where none was asked for.
    """

    prompts: Texts
    vectors: Vectors
    mapped_vectors: Vectors | None = None
    second_vectors: Vectors | None = None

    @property
    def sentence_dim(self) -> int:
        """Dimension of a sentence embedding."""
        return int(self.vectors.shape[1])

    def texts(self, ordinals: Ordinals) -> Texts:
        """Give prompts as an array of str."""
        return self.prompts[ordinals]

    def sentence(self, ordinals: Ordinals) -> Vectors:
        """Give sentence embeddings: float32, (n, d)."""
        return self.vectors[ordinals]

    def mapped(self, ordinals: Ordinals) -> Vectors:
        """Give mapped CLIP text embeddings: float32, (n, d)."""
        assert self.mapped_vectors is not None, "mapped vectors were not read"
        return self.mapped_vectors[ordinals]

    def rescoring(self, ordinals: Ordinals) -> Vectors:
        """Give the second CLIP model's embeddings: float32, (n, d2)."""
        assert self.second_vectors is not None, "the second model's vectors were not read"
        return self.second_vectors[ordinals]


def gathered(nearest: pa.ListArray) -> tuple[GatheredPrompts, Neighbours]:
    """Make neighbours of a column that holds each image's nearest prompts, best first.

    Args:
        nearest: list<struct<distance, prompt_id, text, sentence, [mapped], [rescoring]>>, vectors
            as `to_half_arrow` gives them.

    Returns:
        The prompts, and the neighbours that point into them; the last places of an image that has
        fewer than another are empty, as those of a search are.
    """
    prompts = nearest.flatten()
    ends = np.cumsum(np.asarray(nearest.value_lengths()))
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    places = np.arange(int((ends - starts).max()))
    filled = places < (ends - starts)[:, None]
    ordinals = np.where(filled, starts[:, None] + places, -1)
    names = {prompts.type.field(place).name for place in range(prompts.type.num_fields)}
    mapped, second = (
        from_half_arrow(prompts.field(name)) if name in names else None
        for name in ("mapped", "rescoring")
    )
    stored = GatheredPrompts(
        prompts.field("text").to_numpy(zero_copy_only=False),
        from_half_arrow(prompts.field("sentence")),
        mapped,
        second,
    )
    found = Neighbours(
        np.where(filled, -np.asarray(prompts.field("distance"))[ordinals], np.float32(-np.inf)),
        np.where(filled, prompts.field("prompt_id").to_numpy(zero_copy_only=False)[ordinals], ""),
        np.where(filled, 0, -1),
        ordinals,
    )
    return stored, found
