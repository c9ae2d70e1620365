"""The prompts found for images, and the exact merging of partial answers."""

from dataclasses import dataclass

import numpy as np

from promptknn.encoders.encoder import Vectors
from promptknn.index.shard import Ordinals, Texts


@dataclass(frozen=True)
class Neighbours:
    """The nearest prompts of n queries, best first; ties are in the order of prompt_id.

    Attributes:
        similarities: float32, (n, k).
        prompt_ids: str, (n, k).
        shards: int64, (n, k), which shard holds each.
        ordinals: int64, (n, k), where in that shard.
    """

    similarities: Vectors
    prompt_ids: Texts
    shards: Ordinals
    ordinals: Ordinals


def merge(parts: list[Neighbours], k: int) -> Neighbours:
    """Merge the answers of shards into the k best, ties in the order of prompt_id.

    Rows keep as many neighbours as every row has: min(k, prompts found for the poorest query).
    """
    similarities = np.concatenate([part.similarities for part in parts], axis=1)
    ids = np.concatenate([part.prompt_ids for part in parts], axis=1)
    shards = np.concatenate([part.shards for part in parts], axis=1)
    ordinals = np.concatenate([part.ordinals for part in parts], axis=1)
    # lexsort sorts by the last key first: similarity, then id.
    order = np.stack([
        np.lexsort((row_ids.astype(str), -row))
        for row, row_ids in zip(similarities, ids, strict=True)
    ]) if len(similarities) else np.zeros(similarities.shape, dtype=np.int64)  # fmt: skip
    found = int((ordinals >= 0).sum(axis=1).min()) if len(ordinals) else k
    order = order[:, : min(k, found)]
    return Neighbours(
        np.take_along_axis(similarities, order, axis=1),
        np.take_along_axis(ids, order, axis=1),
        np.take_along_axis(shards, order, axis=1),
        np.take_along_axis(ordinals, order, axis=1),
    )
