"""When FAISS compares whole vectors by products of matrices.

FAISS does so from 128,000 numbers in the queries on (333 queries of 384), which suits dozens of
threads. One thread is faster by matrices from some 800 on (facebookresearch/faiss#5109), and a task
of Spark has one.
"""

import faiss

_FOR_DOZENS_OF_THREADS, _A_THREAD = 128_000, 800


def multiply_matrices() -> None:
    """Let this process's threads multiply matrices as early as it pays for them.

    What else was set, by hand or by another version of FAISS, stays as it is.
    """
    if faiss.cvar.distance_compute_blas_threshold == _FOR_DOZENS_OF_THREADS:
        faiss.cvar.distance_compute_blas_threshold = _A_THREAD * faiss.omp_get_max_threads()
