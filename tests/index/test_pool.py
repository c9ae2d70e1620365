from datetime import UTC, datetime

import pytest
from pyspark.sql import DataFrame, Row

from promptknn.encoders.models import Models
from promptknn.index.pool import digest_of, pool_of
from promptknn.index.write_shards import RESCORING_COLUMN
from promptknn.lake import Lake
from promptknn.settings import Settings
from promptknn.tables import NEAR_DUPLICATES, PROMPT_EMBEDDINGS, PROMPTS, REMOVED_PROMPTS
from tests.rows import add_rows
from tests.shards import prompt_ids

SETTINGS = Settings()
MODELS = Models.of(SETTINGS)
SECOND = Models(SETTINGS.clip, SETTINGS.sentence, "second@1", MODELS.sentence_identity)
IDS = prompt_ids(4)
THRESHOLD = SETTINGS.deduplication.similarity


def _embedded(names: list[str], models: Models, number: float) -> list[dict[str, object]]:
    return [
        {
            "prompt_id": name, "clip_model": models.clip_identity,
            "sentence_model": models.sentence_identity, "clip_embedding": [number],
            "clip_dim": 1, "sentence_embedding": [1.0], "sentence_dim": 1,
        }
        for name in names
    ]  # fmt: skip


@pytest.fixture
def prompts(lake: Lake) -> Lake:
    """Four prompts, embedded by the models, and the last three by second ones too."""
    add_rows(lake, PROMPTS, [{"prompt_id": name, "text": f"text {name}"} for name in IDS])
    rows = _embedded(IDS, MODELS, 0.25) + _embedded(IDS[1:], SECOND, 0.75)
    add_rows(lake, PROMPT_EMBEDDINGS, rows)
    lake.create([NEAR_DUPLICATES])
    return lake


def _rows(
    lake: Lake, second: Models | None = None, forbidden: DataFrame | None = None
) -> list[Row]:
    pool = pool_of(lake, MODELS, second, SETTINGS.deduplication, forbidden)
    return pool.orderBy("prompt_id").collect()


def test_a_pool_is_the_prompts_that_the_models_embedded_with_their_texts(prompts: Lake) -> None:
    rows = _rows(prompts)
    assert [row.prompt_id for row in rows] == IDS
    assert [row.text for row in rows] == [f"text {name}" for name in IDS]
    assert {tuple(row.clip_embedding) for row in rows} == {(0.25,)}
    assert RESCORING_COLUMN not in rows[0]


def test_vectors_of_a_second_model_stand_beside_those_of_the_first(prompts: Lake) -> None:
    rows = _rows(prompts, SECOND)
    assert [row.prompt_id for row in rows] == IDS[1:]
    for row in rows:
        assert (row.clip_embedding, row[RESCORING_COLUMN]) == ([0.25], [0.75])


def test_near_duplicates_of_these_settings_removed_and_forbidden_prompts_are_left_out(
    prompts: Lake,
) -> None:
    decided = {"sentence_model": MODELS.sentence_identity, "kept_prompt_id": IDS[3]}
    add_rows(prompts, NEAR_DUPLICATES, [
        {**decided, "prompt_id": IDS[0], "threshold": THRESHOLD, "similarity": 0.99},
        {**decided, "prompt_id": IDS[1], "threshold": 0.5, "similarity": 0.6},
    ])  # fmt: skip
    assert [row.prompt_id for row in _rows(prompts)] == IDS[1:]
    add_rows(prompts, REMOVED_PROMPTS, [
        {"prompt_id": IDS[1], "chosen_by": "id", "removed_at": datetime(2026, 1, 1, tzinfo=UTC)},
    ])  # fmt: skip
    assert [row.prompt_id for row in _rows(prompts)] == IDS[2:]
    forbidden = prompts.spark.createDataFrame([(IDS[2],)], "prompt_id string")
    assert [row.prompt_id for row in _rows(prompts, forbidden=forbidden)] == IDS[3:]


def test_the_digest_is_of_the_ids_alone_whatever_their_order(prompts: Lake) -> None:
    pool = pool_of(prompts, MODELS, None, SETTINGS.deduplication)
    rows, digest = digest_of(pool)
    assert rows == 4
    assert digest_of(pool.orderBy("prompt_id", ascending=False)) == (rows, digest)
    assert digest_of(pool.drop("text")) == (rows, digest)
    fewer = digest_of(pool.where(f"prompt_id <> '{IDS[0]}'"))
    assert fewer[0] == 3
    assert fewer[1] != digest
    assert digest_of(pool.where("FALSE")) == (0, "0" * 16)
