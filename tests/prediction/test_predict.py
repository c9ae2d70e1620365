from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from promptknn.arrow_vectors import from_arrow
from promptknn.encoders.models import Models
from promptknn.errors import SettingsError
from promptknn.images.embed_images import EmbedImages
from promptknn.index.active import activate, active_index
from promptknn.lake import Lake
from promptknn.locations import package_path
from promptknn.prediction.predict import PredictPrompts, search
from promptknn.settings import Settings
from promptknn.tables import IMAGE_EMBEDDINGS, INDEX_VERSIONS, PREDICTIONS, PROMPT_EMBEDDINGS
from tests.conftest import Run
from tests.small import PHOTOGRAPHS, changed
from tests.versions import copy_version

RELAXED = {"prediction__w1": 0.6, "prediction__w2": 0.4, "prediction__normalise_parts": False}


def lake_of(spark: SparkSession, settings: Settings) -> Lake:
    return Lake(spark, settings.lake, "look")


def predictions(spark: SparkSession, settings: Settings) -> dict[str, Row]:
    rows = lake_of(spark, settings).read(PREDICTIONS).collect()
    return {Path(row.image_uri).name: row for row in rows}


def test_each_photograph_has_one_prediction_with_ranked_neighbours(
    spark: SparkSession, built: Settings
) -> None:
    rows = predictions(spark, built)
    assert set(rows) == set(PHOTOGRAPHS)
    for row in rows.values():
        similarities = [neighbour.similarity for neighbour in row.neighbours]
        assert similarities == sorted(similarities, reverse=True)
        assert [neighbour.rank for neighbour in row.neighbours] == list(range(1, 11))
        assert row.predicted_prompt == row.neighbours[0].prompt
        assert (row.k, row.w1, row.w2) == (100, built.prediction.w1, built.prediction.w2)


def test_embedding_is_the_combination_of_the_nearest_prompts(
    spark: SparkSession, run: Run, built_copy: Settings
) -> None:
    paper = changed(built_copy, prediction__k=10, prediction__neighbours_kept=10, **RELAXED)
    paper = changed(paper, prediction__weighting="uniform", prediction__repredict=True)
    lake = lake_of(spark, paper)
    lake.sql("DELETE FROM {0}", PREDICTIONS)
    run(paper, PredictPrompts())
    table = lake.read(PROMPT_EMBEDDINGS).select("prompt_id", "sentence_embedding").toArrow()
    vectors = dict(zip(table.column(0).to_pylist(), from_arrow(table.column(1)), strict=True))
    for row in predictions(spark, paper).values():
        nearest = np.stack([vectors[neighbour.prompt_id] for neighbour in row.neighbours])
        # Shards keep sentence embeddings in half precision.
        expected = 0.6 * nearest.mean(axis=0) + 0.4 * nearest[0]
        np.testing.assert_allclose(row.embedding, expected, atol=1e-3)


def test_search_moves_no_rows_between_partitions(spark: SparkSession, built: Settings) -> None:
    lake = lake_of(spark, built)
    index = active_index(lake, built, Models.of(built))
    images = lake.read(IMAGE_EMBEDDINGS)
    found = search(images, len(PHOTOGRAPHS), index, built.prediction, Models.of(built))
    plan = found._jdf.queryExecution().executedPlan().toString()
    assert "MapInArrow" in plan
    assert "Exchange" not in plan


def test_only_images_without_a_prediction_are_predicted(
    spark: SparkSession, run: Run, built_copy: Settings
) -> None:
    before = lake_of(spark, built_copy).version(PREDICTIONS)
    (nothing,) = run(built_copy, PredictPrompts())
    assert nothing.rows_in == 0
    assert lake_of(spark, built_copy).version(PREDICTIONS) == before
    more = changed(built_copy, images__paths=[package_path("package:skimage/data/camera.png")])
    _, one = run(more, EmbedImages(), PredictPrompts())
    assert (one.rows_in, one.rows_out) == (1, 1)
    assert set(predictions(spark, built_copy)) == {*PHOTOGRAPHS, "camera.png"}


def test_waves_give_the_same_predictions_and_cost_one_commit_each(
    spark: SparkSession, run: Run, built_copy: Settings
) -> None:
    lake = lake_of(spark, built_copy)
    expected = predictions(spark, built_copy)
    lake.sql("DELETE FROM {0}", PREDICTIONS)
    before = lake.version(PREDICTIONS)
    (counts,) = run(changed(built_copy, prediction__images_per_wave=1), PredictPrompts())
    assert (counts.rows_in, counts.rows_out) == (len(PHOTOGRAPHS), len(PHOTOGRAPHS))
    found = predictions(spark, built_copy)
    assert found.keys() == expected.keys()
    for name, row in found.items():
        assert row.settings_hash == expected[name].settings_hash
        known = expected[name].neighbours
        assert [near.prompt_id for near in row.neighbours] == [near.prompt_id for near in known]
        assert [near.similarity for near in row.neighbours] == pytest.approx(
            [near.similarity for near in known], abs=1e-6
        )
    # A range of ids that holds no image writes nothing.
    assert before < lake.version(PREDICTIONS) <= before + len(PHOTOGRAPHS)


def test_other_settings_add_predictions_beside_the_old_ones(
    spark: SparkSession, run: Run, built_copy: Settings
) -> None:
    (counts,) = run(changed(built_copy, prediction__k=5), PredictPrompts())
    assert counts.rows_out == len(PHOTOGRAPHS)
    by_k = lake_of(spark, built_copy).read(PREDICTIONS).groupBy("k").count().collect()
    assert {row.k: row["count"] for row in by_k} == {5: 3, 100: 3}


def test_new_index_predicts_old_images_again_only_when_asked(
    spark: SparkSession, run: Run, built_copy: Settings
) -> None:
    old = predictions(spark, built_copy)["coffee.png"].index_version
    settings, lake = built_copy, lake_of(spark, built_copy)
    copy_version(lake, old, "new")
    activate(lake, "new")
    (unasked,) = run(settings, PredictPrompts())
    assert unasked.rows_in == 0
    asked = changed(settings, prediction__repredict=True)
    (again,) = run(asked, PredictPrompts())
    assert again.rows_out == len(PHOTOGRAPHS)
    rows = lake_of(spark, settings).read(PREDICTIONS)
    assert rows.count() == len(PHOTOGRAPHS)
    active = lake_of(spark, settings).read(INDEX_VERSIONS).where("active").collect()[0]
    assert rows.where(F.col("index_version") == active.index_version).count() == len(PHOTOGRAPHS)
    assert old != active.index_version
    (nothing,) = run(asked, PredictPrompts())
    assert nothing.rows_in == 0


def test_k_above_the_pool_is_refused_with_both_numbers(run: Run, built: Settings) -> None:
    with pytest.raises(SettingsError, match=r"prediction\.k is 1000, but the index holds \d+"):
        run(changed(built, prediction__k=1000), PredictPrompts())
