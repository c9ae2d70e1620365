from dataclasses import replace

import pytest
from pyspark.sql import Row

from promptknn.encoders.models import Models
from promptknn.errors import RecallError
from promptknn.index.content import recorded
from promptknn.index.tuned import Tuned
from promptknn.index.tuning import Tuner
from promptknn.lake import Lake
from promptknn.settings import IndexSettings, Settings
from promptknn.stage import Context
from promptknn.tables import IMAGE_EMBEDDINGS, PROMPTS
from tests.rows import add_rows

SETTINGS = Settings.model_validate({"index": {"target_recall": 0.9}})
MODELS = Models.of(SETTINGS)
OWN, IMAGE = MODELS.clip_identity, "0" * 64


@pytest.fixture
def tuner(lake: Lake) -> Tuner:
    lake.create([IMAGE_EMBEDDINGS, PROMPTS])
    context = Context(lake.spark, lake, SETTINGS, lambda done, total: None)
    return Tuner(context, MODELS, lake.read(PROMPTS), k=10)


def known(nprobe: int = 4, queries: str = "256 prompts", k: int = 10, target: float = 0.9) -> Row:
    asked = recorded(IndexSettings(target_recall=target))
    return Row(nprobe=nprobe, recall_queries=queries, recall_k=k, settings=asked)


def test_lists_are_outdated_once_images_can_judge_or_more_neighbours_are_wanted(
    tuner: Tuner,
) -> None:
    assert not tuner.is_outdated(known())
    assert tuner.is_outdated(known(k=9))
    add_rows(tuner.context.lake, IMAGE_EMBEDDINGS, [{"image_id": IMAGE, "clip_model": "another"}])
    assert not tuner.is_outdated(known())
    add_rows(tuner.context.lake, IMAGE_EMBEDDINGS, [{"image_id": IMAGE, "clip_model": OWN}])
    assert tuner.is_outdated(known())
    assert not tuner.is_outdated(known(nprobe=0))
    assert not tuner.is_outdated(known(queries="1 images"))
    assert tuner.is_outdated(known(queries="1 images", k=9))


def test_lists_chosen_by_few_images_are_outdated_once_there_are_twice_as_many(
    tuner: Tuner,
) -> None:
    images = [{"image_id": f"{number:064x}", "clip_model": OWN} for number in range(4)]
    add_rows(tuner.context.lake, IMAGE_EMBEDDINGS, images)
    assert tuner.is_outdated(known(queries="2 images"))
    assert not tuner.is_outdated(known(queries="3 images"))
    assert not tuner.is_outdated(known(queries="256 images"))


def test_lists_chosen_for_another_recall_are_outdated(tuner: Tuner) -> None:
    assert tuner.is_outdated(known(target=0.95))
    assert not tuner.is_outdated(known(target=0.9))


def test_a_version_that_misses_the_target_is_refused_with_the_cure(tuner: Tuner) -> None:
    tuned = Tuned(nprobe=4, k_factor=None, recall=0.9, k=10, judged_by="20 images")
    assert str(tuned) == "recall@10 0.900 by 20 images"
    tuner.check("a-version", tuned)
    with pytest.raises(RecallError, match=r"recall@10 of 0\.899, .*set `index\.kind`"):
        tuner.check("a-version", replace(tuned, recall=0.899))
