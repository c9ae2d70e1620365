"""An open index: its shards searched side by side, their answers merged exactly."""

from collections.abc import Sequence

import numpy as np

from promptknn.encoders.encoder import Vectors
from promptknn.index.neighbours import Neighbours, merge
from promptknn.index.prompt_reading import FoundPrompts
from promptknn.index.query_map import QueryMap
from promptknn.index.shard import Shard, Texts


class SearchableIndex(FoundPrompts):
    """Shards and the query map that belongs to them."""

    def __init__(
        self, shards: Sequence[Shard], query_map: QueryMap, left_out: Sequence[str] = ()
    ) -> None:
        """Put an index together from open shards.

        Args:
            shards: open.
            query_map: of the shards.
            left_out: ids of prompts that no search finds, whoever asks.
        """
        super().__init__(shards, query_map)
        self.shards = shards
        never = np.array(left_out, dtype=object)
        self._never = [shard.ordinals_of(never) for shard in shards]

    def search(
        self,
        images: Vectors,
        k: int,
        left_out: Texts | None = None,
    ) -> Neighbours:
        """Find the nearest prompts of images.

        Args:
            images: float32, (n, d), as the image tower gives them.
            k: how many; fewer where the index, or the lists that are searched, hold fewer.
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
        banned = self._never[number]
        if left_out is not None:
            banned = np.union1d(banned, shard.ordinals_of(left_out))
        similarities, ordinals = shard.search(queries, k, banned)
        ids = np.full(ordinals.shape, "", dtype=object)
        present = ordinals >= 0
        ids[present] = shard.ids(ordinals[present])
        return Neighbours(similarities, ids, np.where(present, number, -1), ordinals)
