import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pyspark.sql import Row

from promptknn.maintenance.expired import expired_versions, unfinished_versions, unneeded_folders

NOW = datetime(2026, 11, 25, tzinfo=UTC)
BEFORE = NOW - timedelta(days=7)


def version(name: str, days: int, active: bool = False) -> Row:
    return Row(index_version=name, active=active, built_at=NOW - timedelta(days=days))


def test_the_active_version_the_newest_and_the_young_stay() -> None:
    versions = [version("a", 90, active=True), version("b", 30), version("c", 20), version("d", 1)]
    assert expired_versions(versions, 3, BEFORE) == {"b"}
    assert expired_versions(versions, 1, BEFORE) == {"b", "c"}
    assert expired_versions(versions, 4, BEFORE) == set()


def shard(of: str, days: int) -> Row:
    return Row(index_version=of, built_at=NOW - timedelta(days=days))


def test_a_version_is_unfinished_where_shards_alone_are_recorded_and_none_lately() -> None:
    shards = [shard("known", 90), shard("killed", 8), shard("killed", 9), shard("running", 0)]
    shards += [shard("running", 90)]
    assert unfinished_versions(shards, {"known"}, BEFORE) == {"killed"}


def put(root: Path, path: str, days: int) -> None:
    folder = root / path
    folder.mkdir(parents=True)
    (folder / "file").write_text("content")
    at = (NOW - timedelta(days=days)).timestamp()
    for each in (folder / "file", folder, *folder.relative_to(root).parents):
        os.utime(root / each if not each.is_absolute() else each, (at, at))


def test_shards_that_a_later_version_has_grown_from_stay(tmp_path: Path) -> None:
    old, older, now, running = (digit * 16 for digit in "0123")
    of_old = [f"{old}/shard-0", f"{old}/shard-1", f"{old}/query-map"]
    for name in (*of_old, f"{older}/shard-0", f"{now}/shard-2", "photographs/holiday"):
        put(tmp_path, name, days=30)
    put(tmp_path, f"{running}/shard-0", days=0)
    found = unneeded_folders(tmp_path, {now}, {f"{old}/shard-1", f"{now}/shard-2"}, BEFORE)
    assert found == [
        tmp_path / old / "query-map",
        tmp_path / old / "shard-0",
        tmp_path / older,
    ]
    assert unneeded_folders(tmp_path / "none", set(), set(), BEFORE) == []
