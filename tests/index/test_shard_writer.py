import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from promptknn.index.factory import train
from promptknn.index.shard import MAPPED, PROMPTS, SENTENCE, VECTORS, Shard
from promptknn.index.shard_writer import ShardWriter, sha256
from tests.shards import FLAT, prompt_ids, random_units, write_shard

KEYS = random_units(20, 8, seed=0)


def test_what_is_written_is_counted_measured_and_hashed(tmp_path: Path) -> None:
    written = write_shard(tmp_path / "shard", KEYS, mapped=KEYS)
    files = {file.name: file.read_bytes() for file in (tmp_path / "shard").iterdir()}
    assert written.prompts == 20
    assert written.bytes == sum(map(len, files.values()))
    assert written.files == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items()
    }
    assert set(files) == {VECTORS, PROMPTS, SENTENCE, MAPPED}


def test_mapped_vectors_are_written_only_where_asked_for(tmp_path: Path) -> None:
    assert set(write_shard(tmp_path / "shard", KEYS).files) == {VECTORS, PROMPTS, SENTENCE}


def test_a_shard_stands_alone_in_its_folder(tmp_path: Path) -> None:
    write_shard(tmp_path / "version" / "shard", KEYS)
    assert [path.name for path in (tmp_path / "version").iterdir()] == ["shard"]


@pytest.mark.parametrize("factory", [FLAT, "IVF4,SQ8", "IVF4,PQ4x4fs,Refine(SQ8)"])
def test_a_volume_takes_a_shard(volume: Path, factory: str) -> None:
    empty = train(factory, random_units(800, 8, seed=1))
    written = write_shard(
        volume / "version" / "shard", KEYS, empty=empty, mapped=KEYS, rescoring=KEYS
    )
    place = volume / "version" / "shard"
    assert written.files == {file.name: sha256(file) for file in place.iterdir()}
    assert Shard(place, 1).rows == 20
    assert [path.name for path in place.parent.iterdir()] == ["shard"]


def test_a_shard_is_written_in_the_cache_and_leaves_nothing_there(tmp_path: Path) -> None:
    place, cache = tmp_path / "version" / "shard", tmp_path / "cache"
    with ShardWriter(place, train(FLAT, KEYS), cache=cache) as writer:
        ids = pa.array(prompt_ids(20))
        writer.add(ids, ids, KEYS, KEYS)
        assert list(cache.glob(f"*/{SENTENCE}"))
        assert not place.parent.exists()
        writer.finish()
    assert list(cache.iterdir()) == []


def test_writing_again_replaces_the_shard(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard", KEYS, mapped=KEYS)
    write_shard(tmp_path / "shard", KEYS[:5])
    assert Shard(tmp_path / "shard", 0).rows == 5
    assert not (tmp_path / "shard" / MAPPED).exists()


def test_the_same_prompts_give_the_same_files(tmp_path: Path) -> None:
    first, second = (write_shard(tmp_path / name, KEYS) for name in ("first", "second"))
    assert first == second


def _fail_midway(place: Path) -> None:
    with ShardWriter(place, train(FLAT, KEYS), with_mapped=True) as writer:
        ids = pa.array(prompt_ids(20))
        writer.add(ids, ids, KEYS, KEYS, KEYS)
        raise ZeroDivisionError


def test_an_exception_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        _fail_midway(tmp_path / "shard")
    assert list(tmp_path.iterdir()) == []


def test_an_exception_leaves_the_shard_that_was_there(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard", KEYS)
    with pytest.raises(ZeroDivisionError):
        _fail_midway(tmp_path / "shard")
    assert [path.name for path in tmp_path.iterdir()] == ["shard"]
    assert Shard(tmp_path / "shard", 0).rows == 20


def test_nothing_is_seen_before_the_shard_is_finished(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "shard", train(FLAT, KEYS)) as writer:
        ids = pa.array(prompt_ids(20))
        writer.add(ids, ids, KEYS, KEYS)
        assert not (tmp_path / "shard").exists()
        writer.finish()
    assert Shard(tmp_path / "shard", 0).rows == 20


def test_texts_of_every_script_are_kept(tmp_path: Path) -> None:
    texts = ["naïve café", "一只猫", "👩‍🎨 paints", 'a "quoted", text', ""]
    with ShardWriter(tmp_path / "shard", train(FLAT, KEYS)) as writer:
        writer.add(pa.array(prompt_ids(5)), pa.array(texts), KEYS[:5], KEYS[:5])
        writer.finish()
    assert list(Shard(tmp_path / "shard", 0).texts(np.arange(5))) == texts


def test_the_hash_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(tmp_path / "file") == expected
