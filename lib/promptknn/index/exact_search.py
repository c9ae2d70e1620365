"""Exact search of whole vectors: candidates by products of matrices, each scored again by itself.

A product of matrices is up to ten times as fast as one vector after the other, but the order in
which it sums depends on a vector's place in its block: equal vectors differ in their last bit, and
an image's neighbours would depend on which images are searched with it. Scored again they do not.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import faiss
import numpy as np
import numpy.typing as npt

from promptknn.encoders.encoder import Vectors

# Twenty times what products of unit vectors were seen to be off by.
_OFF_BY_AT_MOST = np.float32(1e-5)
# FAISS multiplies matrices from a number of numbers in the queries on that suits dozens of threads,
# 128,000; one thread is faster so from some 800 on (facebookresearch/faiss#5109).
_NUMBERS_A_THREAD = 800


def search_exactly(
    index: faiss.IndexFlat,
    queries: Vectors,
    count: int,
    parameters: faiss.SearchParameters | None = None,
) -> tuple[Vectors, npt.NDArray[np.int64], Vectors]:
    """Find the nearest vectors.

    Args:
        index: by inner product.
        queries: float32, (n, d), unit rows.
        count: how many; no more than the index holds.
        parameters: of the search.

    Returns:
        Similarities, float32 (n, count), as the vectors one by one give them, not sorted; where the
        vectors lie, int64 (n, count), -1 where fewer were found; and what no vector that was not
        found exceeds, float32 (n,).
    """
    with _matrices():
        approximate, places = index.search(queries, count, params=parameters)
    # FAISS takes bare pointers here: each array must have a name until it is done.
    exact, whole, there = np.empty_like(approximate), np.ascontiguousarray(queries), places.clip(0)
    read, asked, written = (faiss.swig_ptr(array) for array in (whole, there, exact))
    index.compute_distance_subset(len(whole), read, count, written, asked)  # type: ignore[attr-defined]
    return exact, places, approximate[:, -1] + _OFF_BY_AT_MOST


@contextmanager
def _matrices() -> Iterator[None]:
    before = faiss.cvar.distance_compute_blas_threshold
    early = _NUMBERS_A_THREAD * faiss.omp_get_max_threads()
    faiss.cvar.distance_compute_blas_threshold = min(before, early)
    try:
        yield
    finally:
        faiss.cvar.distance_compute_blas_threshold = before
