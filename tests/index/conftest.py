from collections.abc import Iterator

import faiss
import pytest


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Search on one thread: on small indexes more of them only wait for each other."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(threads)
