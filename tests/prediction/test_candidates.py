"""The options that change which neighbours are combined, through the real stages."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promptknn.arrow_vectors import from_arrow
from promptknn.encoders.embed_prompts import EmbedPrompts
from promptknn.encoders.models import Models
from promptknn.errors import ModelMismatchError
from promptknn.evaluation.scoring import score
from promptknn.evaluation.variants import CONFIGURED
from promptknn.images.embed_images import EmbedImages
from promptknn.index.build import BuildIndex
from promptknn.lake import Lake
from promptknn.prediction.predict import PredictPrompts
from promptknn.prediction.predicted import prediction_hash
from promptknn.prediction.prompt_index import PromptIndex
from promptknn.settings import Settings
from promptknn.stage import Context
from promptknn.tables import IMAGE_EMBEDDINGS, INDEX_VERSIONS, PREDICTIONS, PROMPT_EMBEDDINGS
from tests.checkpoints import tiny_clip
from tests.conftest import Run
from tests.small import PHOTOGRAPHS, changed

WEIGHT = 0.75


def _vectors(frame: DataFrame, clip_model: str, key: str, column: str) -> dict[str, np.ndarray]:
    table = frame.where(F.col("clip_model") == clip_model).select(key, column).toArrow()
    return dict(zip(table.column(0).to_pylist(), from_arrow(table.column(1)), strict=True))


def test_a_second_model_scores_again_and_captions_join(
    spark: SparkSession, run: Run, built_copy: Settings, tmp_path: Path
) -> None:
    rescoring = {"clip": {"model": tiny_clip(tmp_path / "second", seed=4)}, "weight": WEIGHT}
    settings = changed(built_copy, prediction__rescoring=rescoring)
    with pytest.raises(ModelMismatchError, match=r"has no vectors of prediction\.rescoring\.clip"):
        run(settings, PredictPrompts())
    run(settings, EmbedPrompts(), BuildIndex(), EmbedImages())
    both = changed(settings, prediction__captions=2, prediction__neighbours_kept=100)
    run(both, PredictPrompts())

    lake = Lake(spark, settings.lake, "look")
    first, second = Models.every(settings)
    (active,) = lake.read(INDEX_VERSIONS).where("active").collect()
    assert active.rescoring_model == second.clip_identity
    hash_ = prediction_hash(both, first)
    rows = lake.read(PREDICTIONS).where(F.col("settings_hash") == hash_).collect()
    assert len(rows) == len(PHOTOGRAPHS)
    prompts = _vectors(
        lake.read(PROMPT_EMBEDDINGS), second.clip_identity, "prompt_id", "clip_embedding"
    )
    images = _vectors(lake.read(IMAGE_EMBEDDINGS), second.clip_identity, "image_id", "embedding")
    before = lake.read(PREDICTIONS).where(F.col("settings_hash") != hash_).collect()
    once = {
        (row.image_id, neighbour.prompt_id): neighbour.similarity
        for row in before
        for neighbour in row.neighbours
    }
    compared = captions = 0
    for row in rows:
        similarities = [neighbour.similarity for neighbour in row.neighbours]
        assert similarities == sorted(similarities, reverse=True)
        for neighbour in row.neighbours:
            if neighbour.prompt_id.startswith("caption:"):
                assert neighbour.prompt.startswith("a photo of ")
                captions += 1
            elif (row.image_id, neighbour.prompt_id) in once:
                again = images[row.image_id] @ prompts[neighbour.prompt_id]
                expected = (1 - WEIGHT) * once[row.image_id, neighbour.prompt_id] + WEIGHT * again
                assert neighbour.similarity == pytest.approx(expected, abs=2e-3)
                compared += 1
    assert captions
    assert compared

    one = PromptIndex(both)
    for row in rows:
        (found,) = one.predict(row.image_uri)
        # Of a hundred, two that are as near as makes no difference may change places.
        ids = [neighbour.prompt_id for neighbour in found.neighbours[:10]]
        assert ids == [neighbour.prompt_id for neighbour in row.neighbours[:10]]
        np.testing.assert_allclose(found.embedding, row.embedding, rtol=0, atol=1e-5)

    truths = tmp_path / "truths.csv"
    truths.write_text("image,prompt\nchelsea,a tabby cat\ncoffee,a cup of espresso\n")
    evaluated = changed(both, evaluation__truths={"kind": "csv", "path": str(truths)})
    context = Context(spark, lake, evaluated, lambda done, total: None)
    configured = evaluated.prediction.combination
    # One that takes more neighbours changes nothing for it.
    more = replace(configured, k=2 * configured.k)
    scores = score(context, {"more": more, CONFIGURED: configured})
    truth = first.sentence_encoder().encode_texts(["a tabby cat"])[0]
    (cat,) = [row for row in rows if row.image_uri.endswith("chelsea.png")]
    predicted = np.asarray(cat.embedding, dtype=np.float32)
    assert scores.cosines.shape == (2, 2)
    expected = truth @ predicted / np.linalg.norm(predicted)
    assert np.abs(scores.cosines[:, 1] - expected).min() == pytest.approx(0, abs=1e-3)
