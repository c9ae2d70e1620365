from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from promptknn.index.version import LONGEST_BUILD
from promptknn.lake import Lake
from promptknn.removal.removed import removed_ids, removed_since, without_removed
from promptknn.tables import INDEX_VERSIONS, REMOVED_PROMPTS
from tests.rows import add_rows

GONE, OTHER = "0" * 32, "1" * 32
BUILT = datetime(2026, 3, 30, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def remove(lake: Lake, ids: Mapping[str, datetime]) -> None:
    rows = [{"prompt_id": i, "chosen_by": "id", "removed_at": at} for i, at in ids.items()]
    add_rows(lake, REMOVED_PROMPTS, rows)


def test_removed_prompts_leave_and_rows_without_an_id_stay(lake: Lake) -> None:
    rows = [(GONE, 1), (None, 2), (OTHER, 3), (OTHER, 3), (GONE, 4)]
    frame = lake.spark.createDataFrame(rows, "prompt_id string, number int")
    for _ in range(2):
        assert removed_ids(lake) is None
        assert without_removed(lake, frame) is frame
        lake.create([REMOVED_PROMPTS])
    remove(lake, {GONE: BUILT})
    left = without_removed(lake, frame)
    assert left.columns == frame.columns
    assert sorted(row.number for row in left.collect()) == [2, 3, 3]


def test_an_index_may_hold_what_was_removed_since_the_longest_build_before_it(lake: Lake) -> None:
    assert removed_since(lake, "v") == ()
    earliest = BUILT - LONGEST_BUILD
    versions = {"v": BUILT, "older": earliest - timedelta(days=9)}
    rows = [{"index_version": name, "built_at": at} for name, at in versions.items()]
    add_rows(lake, INDEX_VERSIONS, rows)
    last = "9" * 32
    remove(lake, {last: BUILT + LONGEST_BUILD, GONE: earliest, OTHER: earliest - TICK})
    assert removed_since(lake, "v") == (GONE, last)
    assert removed_since(lake, "older") == (GONE, OTHER, last)
