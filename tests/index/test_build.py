from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from promptknn.arrow_vectors import to_arrow
from promptknn.deduplication.exact import prompt_id
from promptknn.encoders.models import Models
from promptknn.errors import MissingInputError, RecallError
from promptknn.index.active import active_index
from promptknn.index.build import BuildIndex
from promptknn.index.damage import damaged_folders
from promptknn.index.factory import lists_of
from promptknn.index.shard_writer import sha256
from promptknn.lake import Lake
from promptknn.prediction.predict import PredictPrompts
from promptknn.settings import Settings
from promptknn.tables import (
    IMAGE_EMBEDDINGS,
    INDEX_SHARDS,
    INDEX_VERSIONS,
    NEAR_DUPLICATES,
    PREDICTIONS,
    PROMPT_EMBEDDINGS,
    PROMPTS,
)
from tests.conftest import Run
from tests.rows import add_rows
from tests.small import PROMPTS as POOL
from tests.small import changed
from tests.vectors import assert_same_predictions


def lake_of(spark: SparkSession, settings: Settings) -> Lake:
    return Lake(spark, settings.lake, "look")


def active_row(spark: SparkSession, settings: Settings) -> Row:
    (row,) = lake_of(spark, settings).read(INDEX_VERSIONS).where("active").collect()
    return row


def shards_of(spark: SparkSession, settings: Settings, version: str) -> list[Row]:
    shards = lake_of(spark, settings).read(INDEX_SHARDS)
    return shards.where(F.col("index_version") == version).collect()


def predicted(spark: SparkSession, run: Run, settings: Settings) -> DataFrame:
    """Predict with the active index, whatever was predicted before."""
    lake = lake_of(spark, settings)
    lake.sql("DELETE FROM {0}", PREDICTIONS)
    run(settings, PredictPrompts())
    return lake.read(PREDICTIONS)


@pytest.mark.parametrize("shards", [1, 8])
def test_shards_and_distribution_change_no_prediction(
    spark: SparkSession,
    run: Run,
    built: Settings,
    built_copy: Settings,
    tmp_path: Path,
    shards: int,
) -> None:
    settings = built_copy
    if shards > 1:
        settings = changed(built_copy, index__shards=shards)
        run(settings, BuildIndex())
    active = active_row(spark, settings)
    rows = shards_of(spark, settings, active.index_version)
    assert len(rows) == shards
    assert sum(row.prompts for row in rows) == active.prompts
    expected = lake_of(spark, built).read(PREDICTIONS)
    for way in ("broadcast", "files"):
        cache = str(tmp_path / f"cache of {way}")
        sent = changed(settings, index__distribution=way, index__cache=cache)
        assert_same_predictions(predicted(spark, run, sent), expected)
        # A folder for each shard and one for the query map, and their locks.
        assert len([place for place in Path(cache).iterdir() if place.is_dir()]) == shards + 1


def test_index_holds_every_prompt_and_says_how_good_it_is(
    spark: SparkSession, built: Settings
) -> None:
    row = active_row(spark, built)
    lake = lake_of(spark, built)
    assert row.prompts == lake.read(PROMPTS).count() - lake.read(NEAR_DUPLICATES).count()
    assert 0.8 * POOL < row.prompts <= POOL
    assert row.recall == 1.0
    assert (row.factory, row.query_map, row.recall_k) == ("Flat", "ridge", 100)
    assert row.clip_model == Models.of(built).clip_identity


def test_rebuilding_the_same_prompts_does_nothing(
    spark: SparkSession, run: Run, built_copy: Settings
) -> None:
    lake = lake_of(spark, built_copy)
    before = [lake.version(table) for table in (INDEX_VERSIONS, INDEX_SHARDS)]
    (counts,) = run(built_copy, BuildIndex())
    assert counts.rows_in == 0
    assert "is up to date" in counts.message
    assert [lake.version(table) for table in (INDEX_VERSIONS, INDEX_SHARDS)] == before


def test_damaged_shard_is_built_anew(
    spark: SparkSession, run: Run, built: Settings, built_copy: Settings
) -> None:
    version = active_row(spark, built_copy).index_version
    (shard,) = shards_of(spark, built_copy, version)
    file = Path(built_copy.lake) / "index" / shard.path / "vectors.faiss"
    whole = file.read_bytes()
    row = active_row(spark, built_copy)
    assert damaged_folders(lake_of(spark, built_copy), built_copy, row) == set()
    file.unlink()
    assert damaged_folders(lake_of(spark, built_copy), built_copy, row) == {shard.path}
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert sha256(file) != shard.files["vectors.faiss"]
    (counts,) = run(built_copy, BuildIndex())
    assert counts.rows_in == shard.prompts
    (again,) = shards_of(spark, built_copy, version)
    assert sha256(file) == again.files["vectors.faiss"]
    assert active_row(spark, built_copy).index_version == version
    expected = lake_of(spark, built).read(PREDICTIONS)
    assert_same_predictions(predicted(spark, run, built_copy), expected)


def test_recall_below_the_target_leaves_the_old_index_active(
    spark: SparkSession, run: Run, built_copy: Settings
) -> None:
    before, lake = active_row(spark, built_copy), lake_of(spark, built_copy)
    # Without images 256 prompts judge it: of so many, 8-bit scalars miss some neighbours.
    lake.sql("DELETE FROM {0}", IMAGE_EMBEDDINGS)
    demanding = changed(built_copy, index__kind="ivf_sq8", index__target_recall=1.0)
    for _ in range(2):
        with pytest.raises(RecallError, match=r"recall@100 .* under `index\.target_recall` 1\.0"):
            run(demanding, BuildIndex())
        assert active_row(spark, built_copy).index_version == before.index_version
    (missed,) = lake.read(INDEX_VERSIONS).where("NOT active").collect()
    assert missed.recall < 1.0
    # The second run, and one that asks for less, write no shard.
    written = lake.version(INDEX_SHARDS)
    (lower,) = run(changed(demanding, index__target_recall=0.5), BuildIndex())
    assert "chosen anew" in lower.message
    assert (active_row(spark, built_copy).identity, missed.recall_k) == (missed.identity, 100)
    shards = lake.read(INDEX_SHARDS).where(f"path LIKE '{missed.index_version}/%'")
    assert lake.version(INDEX_SHARDS) - written <= 1
    assert shards.select("path").distinct().count() == 1


def add_clustered_prompts(lake: Lake, models: Models, rows: int) -> None:
    """Add prompts whose vectors lie in clusters, as those of real prompts do."""
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(rows // 20, 384))
    vectors = (np.repeat(centres, 20, axis=0) + 0.4 * draw.normal(size=(rows, 384))).astype("f4")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = [prompt_id(f"prompt {number}") for number in range(rows)]
    table = pa.table({"prompt_id": ids, "text": ids, "vector": to_arrow(vectors)})
    frame = lake.spark.createDataFrame(table).withColumn("now", F.current_timestamp())
    lake.create([PROMPTS, PROMPT_EMBEDDINGS])
    lake.append(
        PROMPTS,
        frame.selectExpr(
            "prompt_id", "text", "text original_text", "'en' language",
            "CAST(1 AS FLOAT) language_score", "'made' source", "prompt_id source_row_id",
            "now cleaned_at",
        ),
    )  # fmt: skip
    lake.append(
        PROMPT_EMBEDDINGS,
        frame.selectExpr(
            "prompt_id", f"'{models.clip_identity}' clip_model",
            f"'{models.sentence_identity}' sentence_model", "vector clip_embedding",
            "384 clip_dim", "vector sentence_embedding", "384 sentence_dim", "now embedded_at",
        ),
    )  # fmt: skip


def test_inverted_lists_reach_the_target_recall_on_fewer_lists_than_all(
    spark: SparkSession, run: Run, tmp_path: Path
) -> None:
    settings = Settings.model_validate({
        "lake": str(tmp_path / "lake"),
        "prediction": {"k": 10},
        "index": {
            "kind": "ivf_fastscan", "query_map": "conse", "target_recall": 0.9, "shards": 2,
            "cache": str(tmp_path / "cache"),
        },
    })  # fmt: skip
    add_clustered_prompts(lake_of(spark, settings), Models.of(settings), 4000)
    run(settings, BuildIndex())
    row = active_row(spark, settings)
    assert 0.9 <= row.recall <= 1.0
    assert 0 < row.nprobe < lists_of(row.factory)
    assert 1 <= row.k_factor < 8
    models, lake = Models.of(settings), lake_of(spark, settings)
    assert active_index(lake, settings, models).handle.k_factor == row.k_factor
    assert row.recall_queries == "256 prompts"
    assert len(shards_of(spark, settings, row.index_version)) == 2
    profiles = np.random.default_rng(0).dirichlet(np.full(1000, 0.01), 20).astype(np.float32)
    images = [
        {
            "image_id": f"{number:064x}",
            "clip_model": row.clip_model,
            "embedding": profile.tolist(),
            "dim": len(profile),
        }
        for number, profile in enumerate(np.sqrt(profiles))
    ]
    add_rows(lake_of(spark, settings), IMAGE_EMBEDDINGS, images)
    (by_images,) = run(settings, BuildIndex())
    assert "by 20 images" in by_images.message
    again = active_row(spark, settings)
    assert again.recall_queries == "20 images"
    # Other lists give other answers: they are a version of their own, of the same files.
    assert (again.nprobe, again.k_factor) != (row.nprobe, row.k_factor)
    assert (again.identity, again.grown_from) == (row.identity, row.index_version)
    old, new = (shards_of(spark, settings, of.index_version) for of in (row, again))
    assert [shard.path for shard in new] == [shard.path for shard in old]
    assert damaged_folders(lake_of(spark, settings), settings, again) == set()
    (same,) = run(settings, BuildIndex())
    assert same.message == f"index {again.index_version} is up to date, 4,000 prompts"
    (more,) = run(changed(settings, prediction__k=20), BuildIndex())
    assert "recall@20" in more.message
    wider = active_row(spark, settings)
    assert wider.recall_k == 20
    as_broad = (wider.nprobe, wider.k_factor) == (again.nprobe, again.k_factor)
    assert (wider.index_version == again.index_version) == as_broad


def test_schema_without_an_index_location_is_refused_before_work_starts() -> None:
    with pytest.raises(MissingInputError, match=r"set `index\.location`.* write \./mylake"):
        BuildIndex().check(Settings(lake="mylake"))
    place = {"lake": "mylake", "index": {"location": "/Volumes/main/files"}}
    BuildIndex().check(Settings.model_validate(place))
