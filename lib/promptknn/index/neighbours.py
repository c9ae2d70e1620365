"""The prompts found for images, and the exact merging of partial answers."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptknn.encoders.encoder import Vectors
from promptknn.index.shard import Ordinals, Texts


@dataclass(frozen=True)
class Neighbours:
    """The nearest prompts of n queries, best first; ties are in the order of prompt_id.

    The last places of a query that found fewer than another are empty.

    Attributes:
        similarities: float32, (n, k), -inf in an empty place.
        prompt_ids: str, (n, k), "" in an empty place.
        shards: int64, (n, k), which shard holds each; -1 in an empty place.
        ordinals: int64, (n, k), where in that shard; -1 in an empty place.
    """

    similarities: Vectors
    prompt_ids: Texts
    shards: Ordinals
    ordinals: Ordinals

    @property
    def filled(self) -> npt.NDArray[np.bool_]:
        """Tell which places hold a prompt: bool, (n, k)."""
        return self.ordinals >= 0

    def rows(self, chosen: npt.NDArray[np.bool_]) -> "Neighbours":
        """Take the answers of some queries: bool, (n,)."""
        return Neighbours(
            self.similarities[chosen],
            self.prompt_ids[chosen],
            self.shards[chosen],
            self.ordinals[chosen],
        )

    def first(self, k: int) -> "Neighbours":
        """Take the k nearest of each query, or all there are."""
        return Neighbours(
            self.similarities[:, :k],
            self.prompt_ids[:, :k],
            self.shards[:, :k],
            self.ordinals[:, :k],
        )


def merge(parts: list[Neighbours], k: int) -> Neighbours:
    """Merge the answers of shards into the k best, ties in the order of prompt_id.

    Rows have min(k, prompts found for the richest query) places. What a query found depends on no
    other: a poorer one's last places stay empty.
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
    found = int((ordinals >= 0).sum(axis=1).max()) if len(ordinals) else k
    order = order[:, : max(1, min(k, found))]
    return Neighbours(
        np.take_along_axis(similarities, order, axis=1),
        np.take_along_axis(ids, order, axis=1),
        np.take_along_axis(shards, order, axis=1),
        np.take_along_axis(ordinals, order, axis=1),
    )
