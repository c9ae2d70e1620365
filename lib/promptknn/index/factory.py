"""Which FAISS index holds the shards, trained once for all of them."""

from dataclasses import dataclass
from math import sqrt

import faiss

from promptknn.encoders.encoder import Vectors
from promptknn.index.settings import IndexSettings

# FAISS warns below 39 training points a list, and gains little above 256.
_ROWS_PER_LIST = 39


@dataclass(frozen=True)
class Choice:
    """A FAISS factory string, and whether it has inverted lists to probe."""

    factory: str
    lists: int


def choose(rows: int, settings: IndexSettings) -> Choice:
    """Choose the index: exact for small pools, inverted lists with 8-bit scalars for large ones.

    Args:
        rows: prompts in all shards together.
        settings: `kind` may force one; `flat_below` and `training_rows` bound the choice.
    """
    if settings.kind == "flat" or (settings.kind == "auto" and rows <= settings.flat_below):
        return Choice("Flat", 0)
    trained = min(rows, settings.training_rows)
    lists = max(1, min(int(4 * sqrt(rows)), trained // _ROWS_PER_LIST))
    return Choice(f"IVF{lists},SQ8", lists)


def train(choice: Choice, sample: Vectors) -> faiss.Index:
    """Train an empty index (inner product) on a sample of keys: float32, (n, d), unit rows."""
    index = faiss.index_factory(sample.shape[1], choice.factory, faiss.METRIC_INNER_PRODUCT)
    if not index.is_trained:
        index.train(sample)
    return index


def nprobe_candidates(lists: int) -> list[int]:
    """Give the numbers of lists to try, from few to all."""
    if lists == 0:
        return [0]
    doubling = [2**power for power in range(lists.bit_length()) if 2**power < lists]
    return [*doubling, lists]
