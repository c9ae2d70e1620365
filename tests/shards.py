"""Writing small shards, and searching them by brute force."""

from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa

from promptknn.encoders.encoder import Vectors, unit
from promptknn.index.factory import FLAT, train
from promptknn.index.query_map import identity_map
from promptknn.index.searchable import SearchableIndex
from promptknn.index.shard import Shard
from promptknn.index.shard_writer import ShardWriter, WrittenShard


def random_units(rows: int, dim: int, seed: int) -> Vectors:
    """Draw unit vectors: float32, (rows, dim)."""
    return unit(np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32))


def close_units(rows: int, dim: int, seed: int) -> Vectors:
    """Draw unit vectors in 4 tight bundles: their similarities differ in the third decimal."""
    bundles = random_units(4, dim, seed + 1_000)[np.arange(rows) % 4]
    return unit(bundles + np.float32(0.02) * random_units(rows, dim, seed))


def prompt_ids(rows: int) -> list[str]:
    """Give ids of 32 hex digits, in order."""
    return [f"{number:032x}" for number in range(rows)]


def write_shard(
    place: Path,
    keys: Vectors,
    ids: list[str] | None = None,
    empty: faiss.Index | None = None,
    mapped: Vectors | None = None,
    rescoring: Vectors | None = None,
) -> WrittenShard:
    """Write a shard in batches of 7; the sentence embeddings are the keys, reversed."""
    ids = ids or prompt_ids(len(keys))
    extra = mapped is not None, rescoring is not None
    with ShardWriter(place, empty or train(FLAT, keys), *extra) as writer:
        for start in range(0, len(keys), 7):
            rows = slice(start, start + 7)
            texts = pa.array([f"text {name}" for name in ids[rows]])
            sentence = np.ascontiguousarray(keys[rows, ::-1])
            of_rows = None if mapped is None else mapped[rows]
            again = None if rescoring is None else rescoring[rows]
            writer.add(pa.array(ids[rows]), texts, keys[rows], sentence, of_rows, again)
        return writer.finish()


def searchable(
    folder: Path, keys: Vectors, shards: int, template: faiss.Index | None = None, nprobe: int = 0
) -> SearchableIndex:
    """Write keys into so many shards, none of them empty, and open them."""
    ids, parts = prompt_ids(len(keys)), []
    template = template or train(FLAT, keys)
    for rows in np.array_split(np.arange(len(keys)), min(shards, len(keys))):
        place = folder / f"shard-{rows[0]}"
        own_ids = [ids[row] for row in rows]
        write_shard(place, keys[rows], own_ids, faiss.clone_index(template))
        parts.append(Shard(place, nprobe))
    return SearchableIndex(parts, identity_map(keys.shape[1]))


def nearest(queries: Vectors, keys: Vectors, k: int) -> list[list[str]]:
    """Find the ids of the nearest keys by brute force, ties in the order of their ids."""
    ids = prompt_ids(len(keys))
    similarities = queries @ keys.T
    order = np.lexsort((np.broadcast_to(np.arange(len(keys)), similarities.shape), -similarities))
    return [[ids[row] for row in rows[:k]] for rows in order]
