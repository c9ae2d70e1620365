from pathlib import Path

import numpy as np
import pytest

from promptknn.encoders.encoder import Vectors
from promptknn.index.neighbours import Neighbours
from promptknn.index.prompt_reading import FoundPrompts
from promptknn.index.query_map import identity_map
from promptknn.index.shard import Ordinals, Shard, Texts
from tests.shards import prompt_ids, random_units, write_shard

KEYS, MAPPED, SECOND = (random_units(12, 8, seed) for seed in range(3))
SENTENCE = KEYS[:, ::-1]
# Two images; the second has found one prompt fewer. Rows of KEYS, -1 in an empty place.
ROWS = np.array([[7, 0, 11], [3, 8, -1]])
EMPTY = ROWS < 0


class Beside:
    """Candidates that no shard holds."""

    def texts(self, ordinals: Ordinals) -> Texts:
        return np.array([f"beside {ordinal}" for ordinal in ordinals.tolist()], dtype=object)

    def sentence(self, ordinals: Ordinals) -> Vectors:
        return np.full((len(ordinals), 8), 5, dtype=np.float32)

    def mapped(self, ordinals: Ordinals) -> Vectors:
        return np.full((len(ordinals), 8), 6, dtype=np.float32)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Shard]:
    """The first 5 prompts in one shard, the other 7 in another."""
    folder: Path = tmp_path_factory.mktemp("shards")
    for name, rows in (("0", slice(0, 5)), ("1", slice(5, 12))):
        ids = prompt_ids(12)[rows]
        write_shard(folder / name, KEYS[rows], ids, mapped=MAPPED[rows], rescoring=SECOND[rows])
    return [Shard(folder / name, 0) for name in "01"]


@pytest.fixture(scope="module")
def found(shards: list[Shard]) -> FoundPrompts:
    return FoundPrompts(shards, identity_map(8), Beside())


def _neighbours() -> Neighbours:
    ids = np.array([*prompt_ids(12), ""], dtype=object)[ROWS]
    similarities = np.array([[0.9, 0.8, 0.7], [0.9, 0.5, -np.inf]], dtype=np.float32)
    in_second = ROWS >= 5
    places = np.where(EMPTY, -1, in_second), np.where(EMPTY, -1, ROWS - 5 * in_second)
    return Neighbours(similarities, ids, *places)


def _assert_of_rows(vectors: Vectors, expected: Vectors) -> None:
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors[~EMPTY], expected[ROWS[~EMPTY]], atol=1e-3)
    assert not vectors[EMPTY].any()


def test_vectors_are_the_neighbours_own_and_zeros_in_an_empty_place(found: FoundPrompts) -> None:
    _assert_of_rows(found.vectors(_neighbours()), SENTENCE)
    _assert_of_rows(found.vectors(_neighbours(), "clip_mapped"), MAPPED)
    _assert_of_rows(found.second_vectors(_neighbours()), SECOND)


def test_texts_are_those_of_the_first_neighbours(found: FoundPrompts) -> None:
    texts = [f"text {name}" for name in prompt_ids(12)]
    assert found.texts(_neighbours(), 1).tolist() == [[texts[7]], [texts[3]]]
    assert found.texts(_neighbours(), 3).tolist() == [
        [texts[7], texts[0], texts[11]],
        [texts[3], texts[8], ""],
    ]


def test_candidates_beside_the_index_are_named_by_the_number_after_its_shards(
    found: FoundPrompts,
) -> None:
    ids = np.array([["a", prompt_ids(12)[6]]], dtype=object)
    both = Neighbours(np.ones((1, 2), np.float32), ids, np.array([[2, 1]]), np.array([[4, 1]]))
    assert found.texts(both, 2).tolist() == [["beside 4", f"text {prompt_ids(12)[6]}"]]
    assert (found.vectors(both)[0, 0] == 5).all()
    assert (found.vectors(both, "clip_mapped")[0, 0] == 6).all()
    np.testing.assert_allclose(found.vectors(both)[0, 1], SENTENCE[6], atol=1e-3)


def test_neighbours_are_scored_again_and_sorted_anew(found: FoundPrompts) -> None:
    queries = random_units(2, 8, seed=5)
    again = found.rescored(_neighbours(), queries, weight=0.25)
    for image, row in enumerate(ROWS):
        there = row[row >= 0]
        first = _neighbours().similarities[image, : len(there)]
        second = SECOND[there] @ queries[image]
        scores = 0.75 * first + 0.25 * second
        order = np.argsort(-scores)
        assert again.prompt_ids[image, : len(there)].tolist() == [
            prompt_ids(12)[number] for number in there[order]
        ]
        np.testing.assert_allclose(
            again.similarities[image, : len(there)], scores[order], atol=1e-3
        )
    assert again.filled.tolist() == [[True] * 3, [True, True, False]]
    assert again.similarities[1, 2] == -np.inf
    assert again.similarities.dtype == np.float32
