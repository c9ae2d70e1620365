import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from promptknn.encoders.models import Models
from promptknn.index.active import active_index
from promptknn.index.build import BuildIndex
from promptknn.index.without_spark import active_version, handle_of
from promptknn.lake import Lake
from promptknn.lake_reader import LakeReader
from promptknn.maintenance.maintain_lake import MaintainLake
from promptknn.prediction.predict import PredictPrompts
from promptknn.removal.rebuild_index import RebuildIndex
from promptknn.settings import Settings
from promptknn.tables import INDEX_SHARDS, INDEX_VERSIONS, PREDICTIONS, PROMPTS, REMOVED_PROMPTS
from tests.conftest import Run
from tests.rows import add_rows
from tests.small import changed


def active(lake: Lake) -> Row:
    (row,) = lake.read(INDEX_VERSIONS).where("active").collect()
    return row


def held(lake: Lake, settings: Settings) -> set[str]:
    """The ids in the shards of the active version."""
    found: set[str] = set()
    of_version = F.col("index_version") == active(lake).index_version
    for shard in lake.read(INDEX_SHARDS).where(of_version).collect():
        with pa.memory_map(f"{settings.lake}/index/{shard.path}/prompts.arrow") as file:
            found |= set(pa.ipc.open_file(file).read_all()["prompt_id"].to_pylist())
    return found


def neighbours(lake: Lake) -> set[str]:
    rows = lake.read(PREDICTIONS).select(F.explode("neighbours.prompt_id").alias("prompt_id"))
    return {row.prompt_id for row in rows.collect()}


def test_removed_prompts_are_never_predicted_and_leave_the_index(
    spark: SparkSession, run: Run, built_copy: Settings, tmp_path: Path
) -> None:
    settings = changed(built_copy, index__cache=str(tmp_path / "cache"), index__shards=None)
    lake, models = Lake(spark, settings.lake, "look"), Models.of(settings)
    first = active(lake)
    active_index(lake, settings, models).handle.open()
    (nearest,) = lake.read(PREDICTIONS).select("neighbours.prompt_id").limit(1).collect()
    gone = nearest.prompt_id[0]
    # As if the removal had been killed after its first write.
    removed = {"prompt_id": gone, "chosen_by": "id", "removed_at": datetime.now(UTC)}
    add_rows(lake, REMOVED_PROMPTS, [removed])
    lake.sql("DELETE FROM {0}", PREDICTIONS)

    # The index still holds it: no search finds it, with Spark or without.
    assert gone in held(lake, settings)
    reader = LakeReader(settings.lake)
    version = active_version(reader, settings, models)
    assert handle_of(reader, settings, version).left_out == (gone,)
    (predicted,) = run(settings, PredictPrompts())
    assert predicted.rows_out >= 1
    assert gone not in neighbours(lake)

    old = active_index(lake, settings, models).handle
    copies = [shard.place(Path(old.cache)) for shard in old.shards]
    assert all(copy.is_dir() for copy in copies)
    (rebuilt,) = run(settings, RebuildIndex())
    assert rebuilt.message.endswith("; 1 index versions with removed prompts forgotten")
    assert active(lake).prompts == first.prompts - 1
    assert lake.read(INDEX_VERSIONS).count() == 1
    assert gone not in held(lake, settings)
    assert not any(copy.exists() for copy in copies)

    # Its shards go with the next maintenance, once no job can be reading them.
    folder = Path(settings.lake) / "index" / first.index_version
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (time.time() - 30 * 86_400,) * 2)
    run(settings, MaintainLake([]))
    assert not list(folder.glob("shard-*"))


def test_a_tightened_policy_keeps_prompts_out_of_the_next_index(
    spark: SparkSession, run: Run, built_copy: Settings
) -> None:
    lake = Lake(spark, built_copy.lake, "look")
    forbidden = lake.read(PROMPTS).where("text RLIKE '(?i)shark'").select("prompt_id").collect()
    ids, before = {row.prompt_id for row in forbidden}, held(lake, built_copy)
    assert ids & before
    strict = changed(built_copy, policy__terms=["Shark", "sharks"])
    (counts,) = run(strict, BuildIndex())
    assert counts.message.endswith(f", {len(ids)} prompts kept out by `policy`")
    assert held(lake, strict) == before - ids
