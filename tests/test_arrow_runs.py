import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from promptknn.arrow_runs import pieces_of, runs_of


@given(st.lists(st.lists(st.integers(0, 3), max_size=6), max_size=4))
def test_pieces_have_one_key_each_and_lose_no_row(keys: list[list[int]]) -> None:
    ordered = sorted(key for batch in keys for key in batch)
    batches, start = [], 0
    for batch in keys:
        column = pa.array(ordered[start : start + len(batch)], pa.int32())
        batches.append(pa.RecordBatch.from_pydict({"shard_id": column}))
        start += len(batch)
    pieces = list(runs_of(iter(batches), "shard_id"))
    assert all(set(piece.column(0).to_pylist()) == {key} for key, piece in pieces)
    assert [key for key, piece in pieces for _ in range(piece.num_rows)] == ordered


@given(st.lists(st.integers(0, 9), max_size=4), st.integers(1, 4))
def test_pieces_of_batches_are_short_and_lose_no_row(sizes: list[int], rows: int) -> None:
    batches = [pa.RecordBatch.from_pydict({"n": list(range(size))}) for size in sizes]
    pieces = list(pieces_of(batches, rows))
    assert all(0 < piece.num_rows <= rows for piece in pieces)
    every = [n for piece in pieces for n in piece.column("n").to_pylist()]
    assert every == [n for size in sizes for n in range(size)]
