"""Reading the texts and vectors of the prompts that a search found."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from promptknn.encoders.encoder import Vectors
from promptknn.index.neighbours import Neighbours, merge
from promptknn.index.query_map import QueryMap
from promptknn.index.shard import Ordinals, Texts
from promptknn.prediction.combination import Space


class PromptReader(Protocol):
    """Reads prompts by their ordinals, as a shard does."""

    def texts(self, ordinals: Ordinals) -> Texts: ...

    def sentence(self, ordinals: Ordinals) -> Vectors: ...

    def mapped(self, ordinals: Ordinals) -> Vectors: ...


class StoredPrompts(PromptReader, Protocol):
    """Prompts of an index: they have a second model's vectors too, where it was built with one."""

    @property
    def sentence_dim(self) -> int: ...

    def rescoring(self, ordinals: Ordinals) -> Vectors: ...


class FoundPrompts:
    """What the `shards` and `ordinals` of neighbours point into."""

    def __init__(
        self,
        stored: Sequence[StoredPrompts],
        query_map: QueryMap,
        beside: PromptReader | None = None,
    ) -> None:
        """Put readers together.

        Args:
            stored: shards, or what was read from them.
            query_map: takes images to queries and prompts to keys.
            beside: candidates that the index does not hold; neighbours name them by the number
                after the last of `stored`.
        """
        self.stored = stored
        self._readers: list[PromptReader] = [*stored, *([beside] if beside else [])]
        self.query_map = query_map

    def vectors(self, neighbours: Neighbours, space: Space = "sentence") -> Vectors:
        """Give the neighbours' embeddings, in the sentence space either way: float32, (n, k, d).

        Those of empty places are zeros.

        Args:
            neighbours: found by a search.
            space: their sentence embeddings, or their CLIP text embeddings, mapped.
        """
        shape = (*neighbours.ordinals.shape, self.stored[0].sentence_dim)
        vectors = np.zeros(shape, dtype=np.float32)
        for number, reader in enumerate(self._readers):
            here = neighbours.shards == number
            read = reader.mapped if space == "clip_mapped" else reader.sentence
            vectors[here] = read(neighbours.ordinals[here])
        return vectors

    def second_vectors(self, neighbours: Neighbours) -> Vectors:
        """Give their embeddings by the second CLIP model: float32, (n, k, d); or zeros."""
        places = [neighbours.shards == number for number in range(len(self.stored))]
        parts = [
            reader.rescoring(neighbours.ordinals[here])
            for reader, here in zip(self.stored, places, strict=True)
        ]
        shape = (*neighbours.ordinals.shape, parts[0].shape[-1])
        vectors = np.zeros(shape, dtype=np.float32)
        for here, part in zip(places, parts, strict=True):
            vectors[here] = part
        return vectors

    def rescored(self, neighbours: Neighbours, queries: Vectors, weight: float) -> Neighbours:
        """Score neighbours again with a second CLIP model, and sort them anew.

        Args:
            neighbours: found by a search.
            queries: float32, (n, d), the images' unit embeddings by the second model.
            weight: w in (1 - w) * similarity + w * the second model's similarity.
        """
        second: Vectors = np.einsum("nd,nkd->nk", queries, self.second_vectors(neighbours))
        first = np.where(neighbours.filled, neighbours.similarities, np.float32(0))
        both = ((1 - weight) * first + weight * second).astype(np.float32)
        again = replace(
            neighbours, similarities=np.where(neighbours.filled, both, np.float32(-np.inf))
        )
        return merge([again], again.similarities.shape[1])

    def texts(self, neighbours: Neighbours, first: int) -> Texts:
        """Give the texts of the first neighbours: str, (n, first), "" in an empty place."""
        shards, ordinals = neighbours.shards[:, :first], neighbours.ordinals[:, :first]
        texts = np.full(ordinals.shape, "", dtype=object)
        for number, reader in enumerate(self._readers):
            here = shards == number
            texts[here] = reader.texts(ordinals[here])
        return texts
