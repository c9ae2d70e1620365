from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptknn.arrow_vectors import to_arrow
from promptknn.encoders.encoder import unit
from promptknn.errors import InvalidVectorError
from promptknn.index.factory import train
from promptknn.index.fitted import Fitted
from promptknn.index.query_map import centred_map
from promptknn.index.ridge import Ridge, RidgeSums
from promptknn.index.shard import MAPPED, Shard
from promptknn.index.shard_writer import sha256
from promptknn.index.write_shards import runs, write_shards
from tests.shards import FLAT, prompt_ids, random_units

ROWS = 30
CLIP, SENTENCE = random_units(ROWS, 6, seed=0), random_units(ROWS, 4, seed=1)
SHARDS = np.repeat([0, 2, 5], [12, 1, 17])
MAP = centred_map(np.zeros(6, np.float32), CLIP.mean(axis=0))


def _batches(*cuts: int) -> Iterator[pa.RecordBatch]:
    for start, stop in pairwise([0, *cuts, ROWS]):
        rows = slice(start, stop)
        yield pa.RecordBatch.from_pydict({
            "shard_id": pa.array(SHARDS[rows], pa.int32()),
            "prompt_id": pa.array(prompt_ids(ROWS)[rows], pa.string()),
            "text": pa.array([f"text {row}" for row in range(ROWS)][rows], pa.string()),
            "clip_embedding": to_arrow(CLIP[rows]),
            "sentence_embedding": to_arrow(SENTENCE[rows]),
        })  # fmt: skip


def _fitted(text_map: Ridge | None = None) -> Fitted:
    return Fitted(MAP, text_map, train(FLAT, CLIP))


@pytest.mark.parametrize("cuts", [(), (12, 13), (5, 12, 20), (0, 30), (29,)])
def test_each_shard_holds_its_prompts_whatever_the_batches(
    tmp_path: Path, cuts: tuple[int, ...]
) -> None:
    write = write_shards(_fitted(), tmp_path / "v1")
    written = pa.Table.from_batches(write(_batches(*cuts))).to_pylist()
    assert [row["shard_id"] for row in written] == [0, 2, 5]
    assert [row["prompts"] for row in written] == [12, 1, 17]
    assert [row["path"] for row in written] == [f"v1/shard-0000{n}" for n in (0, 2, 5)]
    for row in written:
        rows = np.flatnonzero(row["shard_id"] == SHARDS)
        shard = Shard(tmp_path / row["path"], 0)
        assert list(shard.ids(np.arange(shard.rows))) == [prompt_ids(ROWS)[n] for n in rows]
        np.testing.assert_allclose(shard.sentence(np.arange(shard.rows)), SENTENCE[rows], atol=1e-3)


def test_rows_name_the_files_with_their_hash_and_size(tmp_path: Path) -> None:
    write = write_shards(_fitted(), tmp_path / "v1")
    for row in pa.Table.from_batches(write(_batches())).to_pylist():
        files = list((tmp_path / row["path"]).iterdir())
        assert dict(row["files"]) == {file.name: sha256(file) for file in files}
        assert row["bytes"] == sum(file.stat().st_size for file in files)


def test_keys_are_what_the_query_map_makes_of_clip_embeddings(tmp_path: Path) -> None:
    list(write_shards(_fitted(), tmp_path / "v1")(_batches()))
    keys = unit(CLIP - CLIP.mean(axis=0))
    similarities, ordinals = Shard(tmp_path / "v1" / "shard-00000", 0).search(keys[:12], 1)
    np.testing.assert_array_equal(ordinals[:, 0], np.arange(12))
    np.testing.assert_allclose(similarities, 1, atol=1e-5)


def test_a_text_map_gives_each_prompt_its_mapped_vector(tmp_path: Path) -> None:
    text_map = RidgeSums.of(CLIP, SENTENCE).solve(0.1)
    list(write_shards(_fitted(text_map), tmp_path / "v1")(_batches(3, 20)))
    shard = Shard(tmp_path / "v1" / "shard-00005", 0)
    np.testing.assert_allclose(shard.mapped(np.arange(17)), text_map(CLIP)[13:], atol=1e-3)


def test_without_a_text_map_there_are_no_mapped_vectors(tmp_path: Path) -> None:
    list(write_shards(_fitted(), tmp_path / "v1")(_batches()))
    assert list(tmp_path.rglob(MAPPED)) == []


def test_no_batches_write_no_shard(tmp_path: Path) -> None:
    assert list(write_shards(_fitted(), tmp_path / "v1")(iter([]))) == []
    assert list(tmp_path.iterdir()) == []


def test_a_failure_midway_leaves_finished_shards_only(tmp_path: Path) -> None:
    def failing() -> Iterator[pa.RecordBatch]:
        yield from list(_batches(13, 20))[:2]
        raise ZeroDivisionError

    write = write_shards(_fitted(), tmp_path / "v1")
    with pytest.raises(ZeroDivisionError):
        list(write(failing()))
    finished = sorted(path.name for path in (tmp_path / "v1").iterdir())
    assert finished == ["shard-00000", "shard-00002"]


@pytest.mark.parametrize("column", ["clip_embedding", "sentence_embedding"])
@pytest.mark.parametrize("bad", [0.0, np.nan, -np.inf])
def test_a_bad_vector_is_named_by_its_prompt_and_never_indexed(
    tmp_path: Path, column: str, bad: float
) -> None:
    (batch,) = _batches()
    vectors = {"clip_embedding": CLIP, "sentence_embedding": SENTENCE}[column].copy()
    vectors[14] = bad
    batch = batch.set_column(batch.schema.get_field_index(column), column, to_arrow(vectors))
    named = rf"^The {column} of prompt {prompt_ids(ROWS)[14]} in prompt_embeddings is not finite"
    with pytest.raises(InvalidVectorError, match=named):
        list(write_shards(_fitted(), tmp_path / "v1")(iter([batch])))
    finished = sorted(path.name for path in (tmp_path / "v1").iterdir())
    assert finished == ["shard-00000", "shard-00002"]


@given(st.lists(st.lists(st.integers(0, 5), max_size=8), max_size=6))
def test_runs_are_the_batches_grouped_by_shard(batches: list[list[int]]) -> None:
    every = sorted(number for batch in batches for number in batch)
    edges = np.cumsum([0, *map(len, batches)])
    cut = [every[start:stop] for start, stop in pairwise(edges)]
    stream = (pa.RecordBatch.from_pydict({"shard_id": pa.array(part, pa.int32())}) for part in cut)
    found = [
        (shard, [n for part in parts for n in part.column("shard_id").to_pylist()])
        for shard, parts in runs(stream)
    ]
    assert found == [(n, [n] * every.count(n)) for n in sorted(set(every))]
