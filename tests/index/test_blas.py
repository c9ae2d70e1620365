from collections.abc import Iterator
from pathlib import Path

import faiss
import pytest

from promptknn.index.blas import multiply_matrices
from promptknn.index.shard import Shard
from tests.shards import random_units, write_shard


@pytest.fixture(autouse=True)
def _keep_threshold() -> Iterator[None]:
    threshold = faiss.cvar.distance_compute_blas_threshold
    yield
    faiss.cvar.distance_compute_blas_threshold = threshold


def test_the_threshold_follows_the_threads() -> None:
    faiss.cvar.distance_compute_blas_threshold = 128_000
    multiply_matrices()
    assert faiss.cvar.distance_compute_blas_threshold == 800 * faiss.omp_get_max_threads()


def test_what_was_set_by_hand_stays() -> None:
    faiss.cvar.distance_compute_blas_threshold = 20
    multiply_matrices()
    assert faiss.cvar.distance_compute_blas_threshold == 20


def test_a_shard_searches_so(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard", random_units(10, 4, seed=0))
    faiss.cvar.distance_compute_blas_threshold = 128_000
    Shard(tmp_path / "shard", nprobe=0)
    assert faiss.cvar.distance_compute_blas_threshold < 128_000
