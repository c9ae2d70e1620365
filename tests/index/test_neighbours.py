import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from promptknn.index.neighbours import Neighbours, merge

# Of each shard the similarities of a few prompts, for three queries.
PARTS = st.lists(
    st.lists(
        st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), max_size=4), min_size=3, max_size=3
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip


def part_of(number: int, rows: list[list[float]]) -> Neighbours:
    width = max(1, *map(len, rows))
    similarities = np.full((len(rows), width), -np.inf, dtype=np.float32)
    ordinals = np.full((len(rows), width), -1)
    for place, row in enumerate(rows):
        similarities[place, : len(row)] = -np.sort(-np.array(row))
        ordinals[place, : len(row)] = np.arange(len(row))
    names = [[f"{n:02d}-{number}" if n >= 0 else "" for n in row] for row in ordinals]
    shards = np.where(ordinals >= 0, number, -1)
    return Neighbours(similarities, np.array(names, dtype=object), shards, ordinals)


@given(parts=PARTS, k=st.integers(1, 12))
def test_each_query_keeps_its_own_best(parts: list[list[list[float]]], k: int) -> None:
    given_parts = [part_of(number, rows) for number, rows in enumerate(parts)]
    merged = merge(given_parts, k)
    for query in range(3):
        held = [
            (-float(part.similarities[query, place]), part.prompt_ids[query, place])
            for part in given_parts
            for place in np.flatnonzero(part.filled[query])
        ]
        best = sorted(held)[:k]
        filled = merged.filled[query]
        found = zip(-merged.similarities[query], merged.prompt_ids[query], strict=True)
        assert [(float(s), name) for s, name in found][: len(best)] == best
        assert filled.sum() == len(best)
        assert not filled[len(best) :].any()


def test_the_first_are_taken_as_far_as_there_are_any() -> None:
    part = part_of(0, [[0.1], [0.2, 0.3]])
    assert part.first(1).prompt_ids.tolist() == [["00-0"], ["00-0"]]
    assert part.first(1).similarities.shape == part.first(1).shards.shape == (2, 1)
    np.testing.assert_array_equal(part.first(9).ordinals, part.ordinals)


def test_rows_are_taken_together() -> None:
    part = part_of(0, [[0.1], [0.2, 0.3]])
    chosen = part.rows(np.array([False, True]))
    assert chosen.prompt_ids.tolist() == [["00-0", "01-0"]]
    assert chosen.shards.tolist() == [[0, 0]]
