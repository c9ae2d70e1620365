import shutil
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest

from promptknn.errors import CorruptShardError
from promptknn.index.factory import train
from promptknn.index.fine_scalars import add_keys
from promptknn.index.mapped_lists import LISTS, SIZES, MappedLists, write_lists
from promptknn.index.shard import VECTORS, Shard
from tests.shards import random_units, write_shard

ROWS, DIM, NPROBE, K = 1_000, 16, 3, 10
KEYS = random_units(ROWS, DIM, seed=0)
QUERIES = random_units(50, DIM, seed=1)
FACTORY, FINE = (f"IVF20,PQ{DIM // 4}x4fs,Refine({scalars})" for scalars in ("SQ8", "2xSQ6"))


def filled(factory: str) -> faiss.Index:
    index = train(factory, KEYS)
    add_keys(index, KEYS)
    return index


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_shard(tmp_path / "shard", KEYS, empty=train(FACTORY, KEYS))
    return tmp_path / "shard"


@pytest.mark.parametrize("factory", [FACTORY, FINE])
def test_mapped_lists_answer_as_those_in_memory(factory: str, tmp_path: Path) -> None:
    folder = tmp_path / "shard"
    write_shard(folder, KEYS, empty=train(factory, KEYS))
    assert {LISTS, SIZES} <= {file.name for file in folder.iterdir()}
    index = filled(factory)
    in_memory = tmp_path / "in_memory"
    shutil.copytree(folder, in_memory)
    for name in (LISTS, SIZES):
        (in_memory / name).unlink()
    faiss.write_index(index, str(in_memory / VECTORS))
    found, expected = (Shard(each, NPROBE).search(QUERIES, K) for each in (folder, in_memory))
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_array_equal(found[0], expected[0])
    assert (found[1] >= 0).all()


def test_vectors_no_longer_hold_the_lists(folder: Path) -> None:
    whole = (folder / VECTORS).stat().st_size
    faiss.write_index(filled(FACTORY), str(folder / "whole"))
    lists = ROWS * (DIM // 8 + 8)
    assert (folder / "whole").stat().st_size - whole >= lists
    assert (folder / LISTS).stat().st_size >= lists


def test_empty_lists_and_prompts_left_out_are_not_found(tmp_path: Path) -> None:
    # All in one list of twenty.
    one = np.repeat(KEYS[:1], 40, axis=0)
    write_shard(tmp_path / "shard", one, empty=train(FACTORY, KEYS))
    shard = Shard(tmp_path / "shard", NPROBE)
    _, ordinals = shard.search(KEYS[:1], 5, left_out=np.array([0, 1]))
    assert ordinals.tolist() == [[2, 3, 4, 5, 6]]


@pytest.mark.parametrize("factory", ["Flat", "IVF20,SQ8"])
def test_other_indexes_keep_their_own(tmp_path: Path, factory: str) -> None:
    index = filled(factory)
    write_lists(index, tmp_path)
    assert not list(tmp_path.iterdir())
    assert index.ntotal == ROWS
    MappedLists(index, tmp_path)
    assert index.search(KEYS[:1], 1)[1].tolist() == [[0]]


def _cut(folder: Path) -> None:
    (folder / LISTS).write_bytes((folder / LISTS).read_bytes()[:-1])


def _of_another(folder: Path) -> None:
    np.save(folder / SIZES, np.load(folder / SIZES) + 1)


def _without_sizes(folder: Path) -> None:
    (folder / SIZES).unlink()


def _without_lists(folder: Path) -> None:
    (folder / LISTS).unlink()


@pytest.mark.parametrize("damage", [_cut, _of_another, _without_sizes, _without_lists])
def test_damaged_lists_are_refused_with_the_cure(
    folder: Path, damage: Callable[[Path], None]
) -> None:
    damage(folder)
    with pytest.raises(CorruptShardError, match=r"run jobs/build_index\.py"):
        Shard(folder, NPROBE)


def test_a_closed_shard_leaves_the_mapping_of_others_alone(folder: Path) -> None:
    kept = Shard(folder, NPROBE)
    expected = kept.search(QUERIES, K)
    for _ in range(20):
        Shard(folder, NPROBE).search(QUERIES, K)
    np.testing.assert_array_equal(kept.search(QUERIES, K)[1], expected[1])
