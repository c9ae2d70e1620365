from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from promptknn.arrow_vectors import from_arrow
from promptknn.deduplication.exact import prompt_id
from promptknn.encoders.embed_prompts import EmbedPrompts, embed_texts, of_models
from promptknn.encoders.encoder import Vectors, unit
from promptknn.encoders.models import Models
from promptknn.errors import InvalidVectorError
from promptknn.lake import Lake
from promptknn.settings import Settings
from promptknn.sources.demo import compose
from promptknn.stage import Context, Counts
from promptknn.tables import PROMPT_EMBEDDINGS, PROMPTS
from tests.checkpoints import tiny_clip
from tests.rows import add_prompts
from tests.small import changed

TEXTS = compose(40, seed=0)


def embed(lake: Lake, settings: Settings) -> Counts:
    lake.create([PROMPT_EMBEDDINGS])
    return EmbedPrompts().run(Context(lake.spark, lake, settings, lambda done, total: None))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    model = tiny_clip(tmp_path_factory.mktemp("checkpoint") / "tiny", seed=1)
    return Settings.model_validate(
        {"clip": {"model": model}, "embedding": {"prompts_per_wave": 15, "prompts_per_task": 5}}
    )


@pytest.fixture(scope="module")
def embedded(
    spark: SparkSession, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Lake:
    lake = Lake(spark, str(tmp_path_factory.mktemp("embedded") / "lake"), "first-run")
    add_prompts(lake, TEXTS[:30])
    counts = embed(lake, settings)
    assert (counts.rows_in, counts.rows_out) == (30, 30)
    return lake


def vectors(lake: Lake, settings: Settings, column: str) -> dict[str, np.ndarray]:
    rows = of_models(lake.read(PROMPT_EMBEDDINGS), Models.of(settings))
    found = rows.select("prompt_id", column).toArrow()
    return dict(zip(found.column(0).to_pylist(), from_arrow(found.column(1)), strict=True))


def assert_encoded(
    found: dict[str, np.ndarray], texts: Sequence[str], expected: np.ndarray
) -> None:
    assert found.keys() == {prompt_id(text) for text in texts}
    ours = np.stack([found[prompt_id(text)] for text in texts])
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_both_vectors_are_those_of_the_models(embedded: Lake, settings: Settings) -> None:
    models, texts = Models.of(settings), TEXTS[:30]
    clip = models.clip_encoder().encode_texts(texts)
    sentence = models.sentence_encoder().encode_texts(texts)
    assert clip.shape[1] == 16
    assert sentence.shape[1] == 384
    assert_encoded(vectors(embedded, settings, "clip_embedding"), texts, clip)
    assert_encoded(vectors(embedded, settings, "sentence_embedding"), texts, sentence)


def test_each_wave_is_a_commit(embedded: Lake) -> None:
    # Version 0 is the table's creation; 30 prompts in waves of 15 are two more.
    assert embedded.version(PROMPT_EMBEDDINGS) == 2


def test_only_missing_prompts_are_embedded(embedded: Lake, settings: Settings) -> None:
    version = embedded.version(PROMPT_EMBEDDINGS)
    assert embed(embedded, settings).rows_in == 0
    assert embedded.version(PROMPT_EMBEDDINGS) == version
    more = Lake(embedded.spark, embedded.location, "second-run")
    add_prompts(more, TEXTS[30:])
    counts = embed(more, settings)
    assert (counts.rows_in, counts.rows_out) == (10, 10)
    by_run = more.read(PROMPT_EMBEDDINGS).groupBy("run_id").count().collect()
    assert {row.run_id: row["count"] for row in by_run} == {"first-run": 30, "second-run": 10}


def test_models_share_the_table(embedded: Lake, settings: Settings, tmp_path: Path) -> None:
    rows = embedded.read(PROMPTS).count()
    other = changed(settings, clip__model=tiny_clip(tmp_path / "tiny", seed=2))
    default = changed(settings, clip__model="package-default")
    assert embed(embedded, other).rows_out == embed(embedded, default).rows_out == rows
    assert embedded.read(PROMPT_EMBEDDINGS).count() == rows + 2 * rows
    first = vectors(embedded, other, "clip_embedding")
    second = vectors(embedded, settings, "clip_embedding")
    assert not np.allclose(np.stack(list(first.values())), [second[key] for key in first])


def test_default_encodes_a_prompt_once_for_both_vectors(embedded: Lake, settings: Settings) -> None:
    default = changed(settings, clip__model="package-default")
    embed(embedded, default)
    sentence = vectors(embedded, default, "sentence_embedding")
    clip = vectors(embedded, default, "clip_embedding")
    assert all(np.array_equal(clip[key], sentence[key]) for key in sentence)
    texts = list(TEXTS[:3])
    expected = Models.of(default).sentence_encoder().encode_texts(texts)
    assert_encoded({prompt_id(t): sentence[prompt_id(t)] for t in texts}, texts, expected)


class OneBadVector:
    """Stands for models one of whose vectors is no number."""

    text_tower_is_sentence_model = True

    def sentence_encoder(self) -> "OneBadVector":
        return self

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return unit(np.array([[np.nan if text == "bad" else 1.0] for text in texts], np.float32))


def test_a_prompt_without_a_usable_vector_is_named() -> None:
    models: Any = OneBadVector()
    batch = pa.RecordBatch.from_pydict({"prompt_id": ["a", "b"], "text": ["good", "bad"]})
    with pytest.raises(InvalidVectorError, match=r"^Prompt b cannot be embedded\. Vector 1 of 2"):
        list(embed_texts(models)(iter([batch])))
