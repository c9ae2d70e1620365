"""Which FAISS index holds the shards, trained once for all of them."""

import re
from math import sqrt

import faiss

from promptknn.encoders.encoder import Vectors
from promptknn.index.settings import IndexSettings

# FAISS warns below 39 training points a list, and gains little above 256.
_ROWS_PER_LIST = 39
_LISTS = re.compile(r"IVF(\d+),")
FLAT = "Flat"


def choose(rows: int, settings: IndexSettings) -> str:
    """Choose the index: exact for small pools, inverted lists with 8-bit scalars for large ones.

    Args:
        rows: prompts in all shards together.
        settings: `kind` may force one; `flat_below` and `training_rows` bound the choice.

    Returns:
        A FAISS factory string.
    """
    if settings.kind == "flat" or (settings.kind == "auto" and rows <= settings.flat_below):
        return FLAT
    trained = min(rows, settings.training_rows)
    lists = max(1, min(int(4 * sqrt(rows)), trained // _ROWS_PER_LIST))
    return f"IVF{lists},SQ8"


def lists_of(factory: str) -> int:
    """Give the number of inverted lists; 0 for a flat index."""
    found = _LISTS.match(factory)
    return int(found[1]) if found else 0


def train(factory: str, sample: Vectors) -> faiss.Index:
    """Train an empty index (inner product) on a sample of keys: float32, (n, d), unit rows."""
    index = faiss.index_factory(sample.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
    if not index.is_trained:
        index.train(sample)
    return index


def nprobe_candidates(lists: int) -> list[int]:
    """Give the numbers of lists to try, from few to all."""
    if lists == 0:
        return [0]
    doubling = [2**power for power in range(lists.bit_length()) if 2**power < lists]
    return [*doubling, lists]
