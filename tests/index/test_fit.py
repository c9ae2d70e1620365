import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from promptknn.arrow_vectors import to_arrow
from promptknn.encoders.encoder import Vectors, unit
from promptknn.encoders.models import Models
from promptknn.encoders.package_default import class_texts
from promptknn.encoders.reference_texts import reference_vectors
from promptknn.index.fit import fit_query_map
from promptknn.index.query_map import centred_class_vectors, text_profiles
from promptknn.settings import IndexSettings, Settings
from promptknn.sources.demo import compose
from tests.checkpoints import tiny_clip
from tests.shards import prompt_ids
from tests.small import CACHE

PENALTY_PER_ROW = 5 / 4252
INDEX = IndexSettings(cache=str(CACHE))


@pytest.fixture(scope="module")
def models() -> Models:
    return Models.of(Settings())


@pytest.fixture(scope="module")
def texts(models: Models) -> Vectors:
    return models.sentence_encoder().encode_texts(compose(320, seed=1))


def pool(spark: SparkSession, vectors: Vectors, partitions: int) -> DataFrame:
    table = pa.table({"prompt_id": prompt_ids(len(vectors)), "clip_embedding": to_arrow(vectors)})
    return spark.createDataFrame(table).repartition(partitions)


def test_ridge_map_is_the_regression_over_the_whole_pool(
    spark: SparkSession, models: Models, texts: Vectors
) -> None:
    encoder, named = models.sentence_encoder(), class_texts()
    vectors = reference_vectors(
        CACHE, models.sentence_identity, named, lambda: encoder.encode_texts(named)
    )
    classes = centred_class_vectors(vectors)
    centred = texts - texts.mean(axis=0)
    profiles = text_profiles(unit(centred), classes).astype(np.float64)
    profiles -= profiles.mean(axis=0)
    gram = profiles.T @ profiles + PENALTY_PER_ROW * len(texts) * np.eye(len(classes))
    expected = np.linalg.solve(gram, profiles.T @ centred)
    for partitions in (1, 5):
        found = fit_query_map(pool(spark, texts, partitions), models, INDEX)
        assert found.kind == "ridge"
        np.testing.assert_allclose(found.pool_mean, texts.mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(found.weights, expected, atol=1e-4)


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_a_bad_vector_of_the_pool_is_named_before_it_spoils_the_mean(
    spark: SparkSession, models: Models, texts: Vectors, bad: float
) -> None:
    vectors = texts[:20].copy()
    vectors[7] = bad
    with pytest.raises(Exception, match=rf"InvalidVectorError: .*prompt {prompt_ids(20)[7]} in"):
        fit_query_map(pool(spark, vectors, 1), models, INDEX)


def test_small_pools_take_the_class_descriptions_instead(
    spark: SparkSession, models: Models, texts: Vectors
) -> None:
    found = fit_query_map(pool(spark, texts[:50], 2), models, INDEX)
    assert found.kind == "conse"
    np.testing.assert_allclose(found.pool_mean, texts[:50].mean(axis=0), atol=1e-6)
    forced = fit_query_map(
        pool(spark, texts[:50], 2), models, INDEX.model_copy(update={"query_map": "ridge"})
    )
    assert forced.kind == "ridge"


def test_clip_models_need_no_map(
    spark: SparkSession, texts: Vectors, tmp_path_factory: pytest.TempPathFactory
) -> None:
    name = tiny_clip(tmp_path_factory.mktemp("checkpoint") / "tiny", seed=1)
    clip = Models.of(Settings.model_validate({"clip": {"model": name}}))
    found = fit_query_map(pool(spark, texts[:20, :16], 2), clip, INDEX)
    images = unit(np.ones((2, 16), dtype=np.float32))
    assert found.kind == "identity"
    np.testing.assert_array_equal(found.queries(images), images)
