"""Which FAISS index holds the shards, trained once for all of them.

FastScan reads 4-bit codes of product quantisation and scores its candidates again from 8-bit
scalars, so that it finds what those find, and reads far more of a list in the same time than they
do, than RaBitQ does, or than whole vectors (`./build.sh bench index`). Where neighbours lie so
close together that 8 bits confuse them, its candidates are scored again from 12.
"""

import re
from math import sqrt

import faiss

from promptknn.encoders.encoder import Vectors
from promptknn.errors import SettingsError
from promptknn.index.fine_scalars import fine_scalars
from promptknn.index.scalar_recall import scalar_recall
from promptknn.index.settings import IndexSettings

# FAISS warns below 39 training points a list, and gains little above 256.
_ROWS_PER_LIST = 39
_LISTS = re.compile(r"IVF(\d+),")
_REFINED, _FINE = ",Refine(SQ8)", ",Refine(2xSQ6)"
# Candidates of FastScan for each neighbour wanted. At 4 some 0.2 % of the neighbours are missed
# among MiniLM's vectors, at 8 next to none.
MOST_CANDIDATES = 8.0
# Product quantisation cuts vectors into parts of 4 numbers, and learns centroids for each.
_PART = 4
_CENTROIDS = {"ivf_fastscan": 16, "ivf_fastscan12": 16, "ivf_pq": 256}
# A list also keeps a number of 8 bytes for each prompt.
_NUMBER = 8
FLAT = "Flat"


def choose(rows: int, dim: int, settings: IndexSettings, eight_bits_tell_apart: bool = True) -> str:
    """Choose the index: exact for small pools, inverted lists of quantised vectors for large ones.

    Of those the fastest that fits into `memory_bytes`.

    Args:
        rows: prompts in all shards together.
        dim: dimension of a key.
        settings: `kind` may force one; `flat_below`, `memory_bytes` and `training_rows` bound the
            choice.
        eight_bits_tell_apart: whether neighbours keep their order in 8-bit scalars; asked where the
            kind is not forced.

    Returns:
        A FAISS factory string.

    Raises:
        SettingsError: the index does not fit into `memory_bytes`, or goes with another dimension.
    """
    kinds = ["ivf_fastscan" if eight_bits_tell_apart else "ivf_fastscan12", "ivf_sq8", "ivf_pq"]
    if rows <= settings.flat_below:
        kinds.insert(0, "flat")
    kinds = [kind for kind in kinds if _unfit(kind, rows, dim) is None]
    if settings.kind != "auto":
        kinds = [settings.kind]
        wrong = _unfit(settings.kind, rows, dim)
        if wrong:
            raise SettingsError(f"index.kind {settings.kind} needs {wrong}: set it to ivf_sq8.")
    sizes = {kind: rows * bytes_a_vector(kind, dim) for kind in kinds}
    for kind, size in sizes.items():
        if settings.memory_bytes is None or size <= settings.memory_bytes:
            return _factory(kind, rows, dim, settings)
    raise SettingsError(
        f"index.memory_bytes {settings.memory_bytes:,} is too little for {rows:,} prompts of "
        f"dimension {dim}: raise it to {min(sizes.values()):,} or more."
    )


def choose_by_sample(
    rows: int, sample: Vectors, queries: Vectors, k: int, settings: IndexSettings
) -> str:
    """Choose as `choose` does, and 12-bit scalars where those of 8 bits miss the target recall.

    Args:
        rows: prompts in all shards together.
        sample: of their keys, float32, (n, d), unit rows.
        queries: that the index will be judged by, float32, (m, d), unit rows.
        k: neighbours they ask for.
        settings: as `choose` takes them.
    """
    factory = choose(rows, sample.shape[1], settings)
    if settings.kind != "auto" or not factory.endswith(_REFINED):
        return factory
    apart = scalar_recall(sample, queries, rows, k) >= settings.target_recall
    return choose(rows, sample.shape[1], settings, apart)


def _unfit(kind: str, rows: int, dim: int) -> str | None:
    """Say what a kind lacks."""
    centroids = _CENTROIDS.get(kind, 0)
    if centroids and dim % _PART:
        return f"a dimension that {_PART} divides, and this CLIP model's is {dim}"
    if rows < centroids:
        return f"{centroids} prompts to learn from, and there are {rows}"
    return None


def bytes_a_vector(kind: str, dim: int) -> int:
    """Give the bytes that a vector takes in an index of a kind."""
    fast = dim // (2 * _PART)
    return {
        "flat": 4 * dim,
        "ivf_fastscan": fast + dim + _NUMBER,
        "ivf_fastscan12": fast + 12 * dim // 8 + _NUMBER,
        "ivf_sq8": dim + _NUMBER,
        "ivf_pq": dim // _PART + _NUMBER,
    }[kind]


def _factory(kind: str, rows: int, dim: int, settings: IndexSettings) -> str:
    if kind == "flat":
        return FLAT
    trained = min(rows, settings.training_rows)
    lists = max(1, min(int(4 * sqrt(rows)), trained // _ROWS_PER_LIST))
    codes = {
        "ivf_fastscan": f"PQ{dim // _PART}x4fs{_REFINED}",
        "ivf_fastscan12": f"PQ{dim // _PART}x4fs{_FINE}",
        "ivf_sq8": "SQ8",
        "ivf_pq": f"PQ{dim // _PART}x8",
    }[kind]
    return f"IVF{lists},{codes}"


def lists_of(factory: str) -> int:
    """Give the number of inverted lists; 0 for a flat index."""
    found = _LISTS.match(factory)
    return int(found[1]) if found else 0


def scores_again(factory: str) -> bool:
    """Tell whether what FastScan finds is scored again, from scalars."""
    return factory.endswith((_REFINED, _FINE))


def train(factory: str, sample: Vectors) -> faiss.Index:
    """Train an empty index (inner product) on a sample of keys: float32, (n, d), unit rows."""
    known = factory.removesuffix(_FINE)
    index = faiss.index_factory(sample.shape[1], known, faiss.METRIC_INNER_PRODUCT)
    if not index.is_trained:
        index.train(sample)
    if known != factory:
        index = fine_scalars(index, sample)
    if isinstance(index, faiss.IndexRefine):
        index.k_factor = MOST_CANDIDATES
    return index
