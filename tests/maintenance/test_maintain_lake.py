import os
import time
from pathlib import Path

from pyspark.sql import SparkSession

from promptknn.lake import Lake
from promptknn.maintenance.maintain_lake import MaintainLake
from promptknn.prediction.predict import PredictPrompts
from promptknn.settings import Settings
from promptknn.tables import INDEX_SHARDS, INDEX_VERSIONS, PREDICTIONS
from tests.conftest import Run
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
