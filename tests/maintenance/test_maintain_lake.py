import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pyspark.sql import SparkSession

from promptknn.index.query_map import FILE
from promptknn.lake import Lake
from promptknn.maintenance.maintain_lake import MaintainLake
from promptknn.prediction.predict import PredictPrompts
from promptknn.settings import Settings
from promptknn.stage import Context
from promptknn.tables import INDEX_SHARDS, INDEX_VERSIONS, PREDICTIONS
from tests.conftest import Run
from tests.rows import add_rows
from tests.small import changed
from tests.versions import copy_version

OLD = "0" * 16


def _aged(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (time.time() - 30 * 86_400,) * 2)


def test_unused_index_versions_go_and_the_rest_stays(
    spark: SparkSession, run: Run, built_copy: Settings
) -> None:
    lake = Lake(spark, built_copy.lake, "look")
    active = lake.read(INDEX_VERSIONS).collect()[0].index_version
    copy_version(lake, active, OLD, age="30 days")
    folder = Path(built_copy.lake) / "index" / OLD
    _aged(folder)
    before = lake.read(PREDICTIONS).count()
    settings = changed(built_copy, maintenance__index_versions_kept=1)
    (counts,) = run(settings, MaintainLake([PREDICTIONS]))
    assert counts.message == (
        "1 tables compacted, 1 index versions forgotten, 1 folders of shards removed"
    )
    assert not folder.exists()
    assert [row.index_version for row in lake.read(INDEX_VERSIONS).collect()] == [active]
    assert {row.index_version for row in lake.read(INDEX_SHARDS).collect()} == {active}
    assert lake.read(PREDICTIONS).count() == before
    (unchanged,) = run(settings, PredictPrompts())
    assert unchanged.rows_in == 0
    history = spark.sql(f"DESCRIBE HISTORY {lake.reference(PREDICTIONS)}").collect()
    assert "VACUUM END" in {row.operation for row in history}


def test_shards_of_a_killed_build_go_once_no_build_can_still_be_writing_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = Lake(spark, str(tmp_path / "lake"), "look")
    known, killed, running = (digit * 16 for digit in "123")
    now = datetime.now(UTC)
    long_ago, lately = now - timedelta(days=30), now - timedelta(hours=1)
    add_rows(lake, INDEX_VERSIONS, [
        {"index_version": known, "active": True, "built_at": long_ago, "files": {FILE: "a" * 64}},
    ])  # fmt: skip
    # What was killed and what runs have grown from the version that is known.
    add_rows(lake, INDEX_SHARDS, [
        {"index_version": of, "shard_id": number, "path": f"{folder}/shard-{number}",
         "built_at": at, "files": {FILE: f"{number}" * 64}}
        for number, (of, folder, at) in enumerate([
            (known, known, long_ago), (killed, known, long_ago), (killed, killed, long_ago),
            (running, known, lately), (running, running, lately),
        ])
    ])  # fmt: skip
    index = Path(lake.location) / "index"
    for number, of in ((0, known), (2, killed), (4, running)):
        (index / of / f"shard-{number}").mkdir(parents=True)
    _aged(index / known)
    _aged(index / killed)
    settings = Settings.model_validate({"lake": lake.location})
    counts = MaintainLake([]).run(Context(spark, lake, settings, lambda done, total: None))
    assert counts.message == (
        "0 tables compacted, 0 index versions forgotten, 1 folders of shards removed"
    )
    assert sorted(path.name for path in index.iterdir()) == [known, running]
    found = {row.index_version for row in lake.read(INDEX_SHARDS).collect()}
    assert found == {known, running}


def test_a_lake_without_an_index_has_nothing_to_forget(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(spark, str(tmp_path / "lake"), "look")
    settings = Settings.model_validate({"lake": lake.location})
    counts = MaintainLake([]).run(Context(spark, lake, settings, lambda done, total: None))
    assert counts.message == (
        "0 tables compacted, 0 index versions forgotten, 0 folders of shards removed"
    )


def test_folders_of_another_lake_s_index_stay(
    run: Run, built_copy: Settings, tmp_path: Path
) -> None:
    theirs = tmp_path / "shared" / OLD
    theirs.mkdir(parents=True)
    (theirs / "vectors.faiss").write_text("theirs")
    _aged(theirs)
    settings = changed(built_copy, index__location=str(theirs.parent))
    (counts,) = run(settings, MaintainLake([]))
    assert "0 folders of shards removed; what lies in" in counts.message
    assert (theirs / "vectors.faiss").exists()
