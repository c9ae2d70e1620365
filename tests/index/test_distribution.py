import os
import pickle
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from promptknn.errors import CorruptShardError, StorageError
from promptknn.index.distribution import IndexHandle, SharedFolder
from promptknn.index.factory import train
from promptknn.index.query_map import identity_map
from promptknn.index.shard import PROMPTS, VECTORS, Shard
from promptknn.index.shard_writer import sha256
from tests.shards import nearest, random_units, write_shard

KEYS = random_units(30, 8, seed=0)


def _shared(folder: Path, content: bool = False) -> SharedFolder:
    files = {file.name: sha256(file) for file in folder.iterdir()}
    broadcast: Any = None
    if content:
        broadcast = {name: _pieces(whole) for name, whole in _bytes(folder).items()}
    return SharedFolder(str(folder), files, broadcast)


def _pieces(whole: bytes) -> list[SimpleNamespace]:
    return [
        SimpleNamespace(value=whole[start : start + 100]) for start in range(0, len(whole), 100)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_shard(tmp_path / "index" / "shard", KEYS)
    return tmp_path / "index" / "shard"


def _bytes(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("content", [True, False])
def test_a_fetched_folder_is_a_copy_of_the_one_that_was_written(
    folder: Path, tmp_path: Path, content: bool
) -> None:
    place = _shared(folder, content).fetch(tmp_path / "cache")
    assert place.parent == tmp_path / "cache"
    assert _bytes(place) == _bytes(folder)


def test_broadcast_and_files_share_one_copy(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert _shared(folder, True).fetch(cache) == _shared(folder).fetch(cache)


def test_broadcast_content_is_not_asked_for_where_the_host_has_a_copy(
    folder: Path, tmp_path: Path
) -> None:
    place = _shared(folder).fetch(tmp_path / "cache")
    nothing: Any = {}
    again = SharedFolder(str(folder), _shared(folder).files, nothing)
    assert again.fetch(tmp_path / "cache") == place


@pytest.mark.parametrize("content", [True, False])
def test_a_file_with_a_wrong_sha256_is_refused_by_name(
    folder: Path, tmp_path: Path, content: bool
) -> None:
    files = {**_shared(folder).files, PROMPTS: "0" * 64}
    shared = SharedFolder(str(folder), files, _shared(folder, content).content)
    with pytest.raises(CorruptShardError) as caught:
        shared.fetch(tmp_path / "cache")
    assert f"{folder}/{PROMPTS} is not the file that was written" in str(caught.value)
    assert "run jobs/build_index.py" in str(caught.value)


def test_a_missing_file_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    shared = _shared(folder)
    (folder / VECTORS).unlink()
    with pytest.raises(CorruptShardError, match=rf"{VECTORS} is missing: run jobs/build_index"):
        shared.fetch(tmp_path / "cache")


def test_a_refused_folder_leaves_no_copy_and_is_asked_for_again(
    folder: Path, tmp_path: Path
) -> None:
    shared, whole = _shared(folder), (folder / VECTORS).read_bytes()
    (folder / VECTORS).write_bytes(whole[:-1])
    with pytest.raises(CorruptShardError):
        shared.fetch(tmp_path / "cache")
    assert [path for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []
    (folder / VECTORS).write_bytes(whole)
    assert _bytes(shared.fetch(tmp_path / "cache")) == _bytes(folder)


def test_a_copy_of_which_a_cleaner_took_a_file_is_filled_again(
    folder: Path, tmp_path: Path
) -> None:
    shared = _shared(folder)
    (shared.fetch(tmp_path / "cache") / VECTORS).unlink()
    assert _bytes(shared.fetch(tmp_path / "cache")) == _bytes(folder)


@pytest.mark.parametrize("damaged", [b"cut", None])
def test_a_copy_of_which_a_file_was_cut_or_altered_is_filled_again(
    folder: Path, tmp_path: Path, damaged: bytes | None
) -> None:
    shared = _shared(folder)
    file = shared.fetch(tmp_path / "cache") / VECTORS
    whole = file.read_bytes()
    file.write_bytes(damaged or whole[:-1] + bytes([whole[-1] ^ 1]))
    os.utime(file, ns=(0, 0))
    assert _bytes(shared.fetch(tmp_path / "cache")) == _bytes(folder)


def test_what_a_killed_worker_left_is_removed_by_the_next(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    place = _shared(folder).fetch(cache)
    shutil.rmtree(place)
    left = cache / f".{place.name}-{'0' * 32}"
    left.mkdir()
    other = cache / f".other-{'0' * 32}"
    other.mkdir()
    _shared(folder).fetch(cache)
    assert (left.exists(), other.exists()) == (False, True)


def test_a_cache_of_another_user_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = _shared(folder)
    shared.fetch(tmp_path / "cache")
    os.chown(tmp_path / "cache", 4321, -1) if os.getuid() == 0 else monkeypatch.setattr(
        os, "getuid", lambda: 4321
    )
    with pytest.raises(StorageError, match=r"belongs to another user: set `index\.cache`"):
        shared.fetch(tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_named_with_the_key(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError, match=r"cannot be filled .*set `index\.cache`"):
        _shared(folder).fetch(tmp_path / "file" / "cache")


def test_two_that_ask_at_once_fill_the_copy_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, fill, filled = _shared(folder), SharedFolder._fill, []
    start = threading.Barrier(2)

    def counted(folder_: SharedFolder, place: Path) -> None:
        filled.append(place)
        fill(folder_, place)

    def fetch() -> None:
        start.wait()
        places.append(shared.fetch(tmp_path / "cache"))

    places: list[Path] = []
    monkeypatch.setattr(SharedFolder, "_fill", counted)
    threads = [threading.Thread(target=fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(filled) == 1
    assert places == filled * 2
    assert Shard(places[0], 0).rows == 30


@pytest.fixture
def handle(tmp_path: Path, folder: Path) -> IndexHandle:
    write_shard(folder.with_name("other"), KEYS[:10] * np.float32(0.5))
    query_map = tmp_path / "index" / "query_map"
    query_map.mkdir()
    identity_map(8).save(query_map)
    shards = (_shared(folder), _shared(folder.with_name("other")))
    return IndexHandle("v1", _shared(query_map), shards, 0, str(tmp_path / "cache"))


def test_a_handle_opens_the_index_in_another_process_s_memory(handle: IndexHandle) -> None:
    index = pickle.loads(pickle.dumps(handle)).open()
    assert [shard.rows for shard in index.shards] == [30, 10]
    queries = random_units(4, 8, seed=1)
    found = index.search(queries, 1)
    assert found.prompt_ids.tolist() == nearest(queries, KEYS, 1)


def test_an_index_is_opened_as_broadly_as_its_handle_says(
    handle: IndexHandle, tmp_path: Path
) -> None:
    keys, queries = random_units(600, 8, seed=0), random_units(40, 8, seed=1)
    folder = tmp_path / "index" / "listed"
    write_shard(folder, keys, empty=train("IVF8,PQ2x4fs,Refine(SQ8)", keys))
    listed = replace(handle, shards=(_shared(folder),))

    def found(nprobe: int, k_factor: float) -> float:
        index = replace(listed, nprobe=nprobe, k_factor=k_factor).open()
        return float(index.search(queries, 5).similarities.sum())

    assert found(8, 8.0) > max(found(8, 1.0), found(1, 8.0))


def test_an_index_is_opened_once_a_process(handle: IndexHandle) -> None:
    assert handle.open() is handle.open()
