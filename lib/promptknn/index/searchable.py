"""An open index: its shards searched side by side, their answers merged exactly."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from promptknn.encoders.encoder import Vectors
from promptknn.index.query_map import QueryMap
from promptknn.index.shard import Ordinals, Shard, Texts
from promptknn.prediction.combination import Space


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


class PromptReader(Protocol):
    """Reads prompts by their ordinals, as a shard does."""

    def texts(self, ordinals: Ordinals) -> Texts: ...

    def sentence(self, ordinals: Ordinals) -> Vectors: ...

    def mapped(self, ordinals: Ordinals) -> Vectors: ...


class SearchableIndex:
    """Shards and the query map that belongs to them."""

    def __init__(
        self, shards: list[Shard], query_map: QueryMap, beside: PromptReader | None = None
    ) -> None:
        """Put an index together.

        Args:
            shards: open ones.
            query_map: takes images to queries.
            beside: candidates that no shard holds; neighbours name it by the number after the
                last shard's.
        """
        self.shards = shards
        self._readers: list[PromptReader] = [*shards, *([beside] if beside else [])]
        self.query_map = query_map

    def search(
        self,
        images: Vectors,
        k: int,
        left_out: Texts | None = None,
    ) -> Neighbours:
        """Find the nearest prompts of images.

        Args:
            images: float32, (n, d), as the image tower gives them.
            k: how many; fewer where the index holds fewer.
            left_out: ids of prompts that must not be found.
        """
        return self.search_queries(self.query_map.queries(images), k, left_out)

    def search_queries(self, queries: Vectors, k: int, left_out: Texts | None = None) -> Neighbours:
        """Find the nearest prompts of queries that the query map has made already."""
        found = [self._search_one(n, queries, k, left_out) for n in range(len(self.shards))]
        return merge(found, k)

    def _search_one(
        self, number: int, queries: Vectors, k: int, left_out: Texts | None
    ) -> Neighbours:
        shard = self.shards[number]
        banned = None if left_out is None else shard.ordinals_of(left_out)
        similarities, ordinals = shard.search(queries, k, banned)
        ids = np.full(ordinals.shape, "", dtype=object)
        present = ordinals >= 0
        ids[present] = shard.ids(ordinals[present])
        return Neighbours(similarities, ids, np.full_like(ordinals, number), ordinals)

    def vectors(self, neighbours: Neighbours, space: Space = "sentence") -> Vectors:
        """Give the neighbours' embeddings, in the sentence space either way: float32, (n, k, d).

        Args:
            neighbours: found by a search.
            space: their sentence embeddings, or their CLIP text embeddings, mapped.
        """
        shape = (*neighbours.ordinals.shape, self.shards[0].sentence_dim)
        vectors = np.zeros(shape, dtype=np.float32)
        for number, reader in enumerate(self._readers):
            here = neighbours.shards == number
            read = reader.mapped if space == "clip_mapped" else reader.sentence
            vectors[here] = read(neighbours.ordinals[here])
        return vectors

    def rescored(self, neighbours: Neighbours, queries: Vectors, weight: float) -> Neighbours:
        """Score neighbours again with a second CLIP model, and sort them anew.

        Args:
            neighbours: found by a search.
            queries: float32, (n, d), the images' unit embeddings by the second model.
            weight: w in (1 - w) * similarity + w * the second model's similarity.
        """
        shape = (*neighbours.ordinals.shape, queries.shape[1])
        vectors = np.zeros(shape, dtype=np.float32)
        for number, shard in enumerate(self.shards):
            here = neighbours.shards == number
            vectors[here] = shard.rescoring(neighbours.ordinals[here])
        second: Vectors = np.einsum("nd,nkd->nk", queries, vectors)
        similarities = (1 - weight) * neighbours.similarities + weight * second
        again = replace(neighbours, similarities=similarities.astype(np.float32))
        return merge([again], again.similarities.shape[1])

    def texts(self, neighbours: Neighbours, first: int) -> Texts:
        """Give the texts of the first neighbours: str, (n, first)."""
        shards, ordinals = neighbours.shards[:, :first], neighbours.ordinals[:, :first]
        texts = np.full(ordinals.shape, "", dtype=object)
        for number, reader in enumerate(self._readers):
            here = shards == number
            texts[here] = reader.texts(ordinals[here])
        return texts


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
