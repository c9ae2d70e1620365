from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from promptknn.encoders.models import Models
from promptknn.errors import CorruptShardError, MissingInputError, ModelMismatchError
from promptknn.index.active import activate, active_index, shard_groups
from promptknn.lake import Lake
from promptknn.settings import IndexSettings, Settings
from promptknn.tables import INDEX_SHARDS, INDEX_VERSIONS
from tests.small import changed
from tests.versions import copy_version


def find(spark: SparkSession, settings: Settings) -> str:
    lake = Lake(spark, settings.lake, "look")
    return active_index(lake, settings, Models.of(settings)).version


def test_index_of_another_model_is_refused_by_the_key_to_set(
    spark: SparkSession, built: Settings
) -> None:
    other = changed(built, clip__views=2)
    with pytest.raises(ModelMismatchError, match=r"views=1.*views=2.*set `clip\.model` back"):
        find(spark, other)


def test_no_active_index_is_said_with_the_job_to_run(spark: SparkSession, tmp_path: Path) -> None:
    settings = Settings.model_validate({"lake": str(tmp_path / "lake")})
    Lake(spark, settings.lake, "first").create([INDEX_VERSIONS, INDEX_SHARDS])
    with pytest.raises(
        MissingInputError, match=r"no active index for the CLIP model .*: run jobs/build_index\.py"
    ):
        find(spark, settings)


def test_another_version_can_be_made_active_and_the_first_again(
    spark: SparkSession, built_copy: Settings
) -> None:
    first, lake = find(spark, built_copy), Lake(spark, built_copy.lake, "look")
    copy_version(lake, first, "other")
    for version in ("other", first, first):
        activate(lake, version)
        assert find(spark, built_copy) == version
        assert lake.read(INDEX_VERSIONS).where("active").count() == 1


@pytest.mark.parametrize("distribution", ["broadcast", "files"])
def test_missing_file_of_a_shard_is_named(
    spark: SparkSession, built_copy: Settings, tmp_path: Path, distribution: str
) -> None:
    settings = changed(
        built_copy, index__distribution=distribution, index__cache=str(tmp_path / "cache")
    )
    (file,) = Path(settings.lake).glob("index/*/shard-*/prompts.arrow")
    file.unlink()
    lake = Lake(spark, settings.lake, "look")
    with pytest.raises(CorruptShardError, match=r"prompts\.arrow is missing: run jobs/build_index"):
        active_index(lake, settings, Models.of(settings)).handle.open()


def test_small_indexes_are_opened_whole_and_large_ones_by_groups() -> None:
    sizes = [5, 5, 5, 11, 2]
    assert shard_groups(sizes, IndexSettings()) == ()
    partitioned = IndexSettings(search="partitioned", group_bytes=10)
    assert shard_groups(sizes, partitioned) == ((0, 1), (2,), (3,), (4,))
    auto = IndexSettings(replicated_below_bytes=28, group_bytes=100)
    assert shard_groups(sizes, auto) == ((0, 1, 2, 3, 4),)
    assert shard_groups(sizes[:4], auto) == ()
    assert shard_groups(sizes, IndexSettings(search="replicated", replicated_below_bytes=0)) == ()
