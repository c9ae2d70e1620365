from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from promptknn.errors import CorruptShardError
from promptknn.index.factory import train
from promptknn.index.shard import MAPPED, PROMPTS, SENTENCE, VECTORS, Shard
from tests.shards import prompt_ids, random_units, write_shard

ROWS, DIM = 100, 8
KEYS = random_units(ROWS, DIM, seed=0)
FILES = (VECTORS, PROMPTS, SENTENCE, MAPPED)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_shard(tmp_path / "shard", KEYS, mapped=KEYS[:, :4])
    return tmp_path / "shard"


def test_a_shard_gives_what_was_written(folder: Path) -> None:
    shard = Shard(folder, 0)
    assert (shard.rows, shard.dim, shard.sentence_dim) == (ROWS, DIM, DIM)
    assert list(shard.ids([3, 99, 3])) == [prompt_ids(ROWS)[row] for row in (3, 99, 3)]
    assert list(shard.texts(np.array([5]))) == [f"text {prompt_ids(ROWS)[5]}"]
    rows = np.array([[0, 99], [7, 7]])
    np.testing.assert_allclose(shard.sentence(rows), KEYS[rows][..., ::-1], atol=1e-3)
    np.testing.assert_allclose(shard.mapped(rows), KEYS[rows][..., :4], atol=1e-3)
    assert shard.sentence(rows).dtype == shard.mapped(rows).dtype == np.float32


def test_without_mapped_vectors_the_sentence_embeddings_stand_for_them(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard", KEYS)
    shard = Shard(tmp_path / "shard", 0)
    rows = np.arange(ROWS)
    np.testing.assert_array_equal(shard.mapped(rows), shard.sentence(rows))


def test_the_nearest_come_first(folder: Path) -> None:
    queries = random_units(3, DIM, seed=1)
    similarities, ordinals = Shard(folder, 0).search(queries, 5)
    exact = queries @ KEYS.T
    np.testing.assert_array_equal(ordinals, np.argsort(-exact, axis=1)[:, :5])
    np.testing.assert_allclose(similarities, -np.sort(-exact, axis=1)[:, :5], atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 6, 7])
def test_queries_are_answered_alike_however_many_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    queries = random_units(count, DIM, seed=1)
    expected = Shard(folder, 0).search(queries, 5)
    monkeypatch.setattr("promptknn.index.shard._QUERIES_AT_ONCE", 3)
    similarities, ordinals = Shard(folder, 0).search(queries, 5)
    assert ordinals.shape == (count, 5)
    np.testing.assert_array_equal(ordinals, expected[1])
    np.testing.assert_allclose(similarities, expected[0], atol=1e-6)


def test_no_more_are_found_than_there_are(folder: Path) -> None:
    similarities, ordinals = Shard(folder, 0).search(KEYS[:2], 1000)
    assert similarities.shape == ordinals.shape == (2, ROWS)
    assert sorted(ordinals[0]) == list(range(ROWS))


def test_ordinals_left_out_are_not_found(folder: Path) -> None:
    left_out = np.array([0, 1, 50])
    _, ordinals = Shard(folder, 0).search(KEYS, 1, left_out)
    assert not np.isin(ordinals, left_out).any()


def test_what_is_missing_is_filled_up_with_minus_one(folder: Path) -> None:
    left_out = np.arange(2, ROWS)
    similarities, ordinals = Shard(folder, 0).search(KEYS[:1], 4, left_out)
    assert sorted(ordinals[0, :2]) == [0, 1]
    np.testing.assert_array_equal(ordinals[:, 2:], -1)
    np.testing.assert_array_equal(similarities[:, 2:], -np.inf)


@pytest.mark.parametrize("k", [1, 5, 99, 150])
def test_of_many_that_tie_for_the_last_place_the_first_ids_are_found(
    tmp_path: Path, k: int
) -> None:
    # Better ones come after the ties, and worse ones among them.
    keys = np.zeros((400, 2), np.float32)
    keys[:, 0] = 0.5
    keys[::3, 0] = 0.25
    keys[390:, 0] = 1
    write_shard(tmp_path / "shard", keys)
    best = [*range(390, 400), *(row for row in range(390) if row % 3)]
    for queries in (1, 64):
        _, ordinals = Shard(tmp_path / "shard", 0).search(np.ones((queries, 2), np.float32), k)
        assert ordinals.tolist() == [best[:k]] * queries


def test_ids_are_found_in_the_shard_that_holds_them(folder: Path) -> None:
    ids = prompt_ids(ROWS)
    wanted = np.array([ids[40], "f" * 32, ids[2]], dtype=object)
    assert sorted(Shard(folder, 0).ordinals_of(wanted)) == [2, 40]
    assert Shard(folder, 0).ordinals_of(np.array([], dtype=object)).size == 0


LISTED = random_units(600, DIM, seed=0)


# What FAISS is asked for, and the share of the true neighbours that every list together gives.
KINDS = {
    "IVF8,SQ8": 0.95, "IVF8,PQ2x4fs,Refine(SQ8)": 0.95, "IVF8,PQ2x4fs,Refine(2xSQ6)": 0.95,
    "IVF8,PQ2x8": 0.7,
}  # fmt: skip


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Shards of 600 prompts in 8 inverted lists, one of each kind."""
    folder = tmp_path_factory.mktemp("inverted")
    places = {factory: folder / f"shard-{number}" for number, factory in enumerate(KINDS)}
    for factory, place in places.items():
        write_shard(place, LISTED, empty=train(factory, LISTED))
    return places


@pytest.fixture(params=KINDS)
def inverted(request: pytest.FixtureRequest, shards: dict[str, Path]) -> Path:
    return shards[request.param]


@pytest.mark.parametrize(("factory", "share"), KINDS.items())
def test_probing_every_list_finds_what_exact_search_finds(
    shards: dict[str, Path], factory: str, share: float
) -> None:
    queries = random_units(40, DIM, seed=1)
    exact = np.argsort(-(queries @ LISTED.T), axis=1)[:, :20]
    _, found = Shard(shards[factory], 8).search(queries, 20)
    hits = [np.isin(here, true).mean() for here, true in zip(found, exact, strict=True)]
    assert np.mean(hits) > share


def test_ordinals_left_out_are_found_in_no_list(inverted: Path) -> None:
    left_out = np.arange(0, 600, 2)
    _, ordinals = Shard(inverted, 8).search(LISTED, 5, left_out)
    assert not np.isin(ordinals, left_out).any()


def test_probing_fewer_lists_finds_no_better_ones(inverted: Path) -> None:
    queries = random_units(40, DIM, seed=1)
    every, few = (Shard(inverted, nprobe).search(queries, 20)[0] for nprobe in (8, 1))
    assert (few <= every + 1e-6).mean() > 0.95
    assert (few < every).any()


@pytest.mark.parametrize("factory", KINDS)
def test_fewer_candidates_are_scored_again_where_any_are(
    shards: dict[str, Path], factory: str
) -> None:
    queries = random_units(40, DIM, seed=1)
    own, most, few = (
        Shard(shards[factory], 8, k_factor).search(queries, 20)[0] for k_factor in (None, 8.0, 1.0)
    )
    np.testing.assert_array_equal(own, most)
    assert (few <= most + 1e-6).all()
    assert (few < most).any() == ("Refine" in factory)


@pytest.mark.parametrize("file", [VECTORS, PROMPTS, SENTENCE])
def test_a_missing_file_is_named_with_the_cure(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(CorruptShardError) as caught:
        Shard(folder, 0)
    assert str(folder) in str(caught.value)
    assert file in str(caught.value)
    assert "run jobs/build_index.py" in str(caught.value)


_DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut": lambda content: content[:-200],
    "header": lambda content: content[:9],
    "text": lambda content: b"a photo of a cat" * 100,
    "zeros": lambda content: bytes(len(content)),
}


@pytest.mark.parametrize("damage", _DAMAGES)
@pytest.mark.parametrize("file", FILES)
def test_a_corrupt_file_is_refused_with_the_cure(folder: Path, file: str, damage: str) -> None:
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(_DAMAGES[damage](content))
    with pytest.raises(CorruptShardError, match=r"cannot be read \(.+\): run jobs/build_index\.py"):
        Shard(folder, 0)


@pytest.mark.parametrize("file", FILES)
def test_files_of_different_shards_are_refused_with_both_sizes(
    folder: Path, tmp_path: Path, file: str
) -> None:
    write_shard(tmp_path / "other", KEYS[:60], mapped=KEYS[:60])
    (folder / file).write_bytes((tmp_path / "other" / file).read_bytes())
    with pytest.raises(CorruptShardError, match=r"hold \[60, 100\] prompts: run jobs/build_index"):
        Shard(folder, 0)
