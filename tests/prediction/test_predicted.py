import re

import numpy as np
import pyarrow as pa
import pytest

from promptknn.arrow_vectors import from_arrow, to_arrow
from promptknn.encoders.models import Models
from promptknn.errors import SettingsError
from promptknn.index.neighbours import Neighbours
from promptknn.index.prompt_reading import FoundPrompts
from promptknn.index.query_map import identity_map
from promptknn.online_settings import OnlineSettings
from promptknn.prediction.gathered import GatheredPrompts
from promptknn.prediction.predicted import ANSWER_SCHEMA, answer, check_k, prediction_hash
from promptknn.prediction.settings import PredictionSettings

MODELS = Models.of(OnlineSettings())
PAPER = PredictionSettings(k=2, w1=0.6, w2=0.4, weighting="uniform")
STORED = GatheredPrompts(
    np.array(["a cat", "a dog", "a rocket"], dtype=object),
    np.array([[1, 0], [0, 1], [-1, 0]], dtype=np.float32),
    mapped_vectors=np.array([[0, 2], [2, 0], [0, 0]], dtype=np.float32),
)
IMAGES = pa.RecordBatch.from_pydict({
    "image_id": ["1", "2", "3"],
    "image_uri": ["/a.png", "/b.png", "/c.png"],
    "embedding": to_arrow(np.zeros((3, 2), dtype=np.float32)),
})  # fmt: skip
# The first image has three prompts, the second none, the third one.
ORDINALS = np.array([[0, 1, 2], [-1, -1, -1], [1, -1, -1]])
FOUND = Neighbours(
    np.array([[0.9, 0.5, 0.1], [-np.inf] * 3, [0.7, -np.inf, -np.inf]], dtype=np.float32),
    np.array([["cat", "dog", "rocket"], [""] * 3, ["dog", "", ""]], dtype=object),
    np.where(ORDINALS < 0, -1, 0),
    ORDINALS,
)


def answered(settings: PredictionSettings) -> pa.RecordBatch:
    prompts = FoundPrompts([STORED], identity_map(2))
    return answer(prompts, FOUND, IMAGES, settings, MODELS)


def test_an_image_without_a_prompt_has_no_row() -> None:
    found = answered(PAPER)
    assert found.column("image_uri").to_pylist() == ["/a.png", "/c.png"]
    assert found.column("predicted_prompt").to_pylist() == ["a cat", "a dog"]


def test_e_pred_and_its_signals_are_those_of_the_combination() -> None:
    found = answered(PAPER)
    # 0.6 times the mean of a cat and a dog, and 0.4 times a cat; a dog alone.
    assert from_arrow(found.column("embedding")) == pytest.approx(np.array([[0.7, 0.3], [0, 1]]))
    assert found.column("mean_similarity").to_pylist() == pytest.approx([0.7, 0.7])
    assert found.column("agreement").to_pylist() == pytest.approx([0.5**0.5, 1.0])
    assert found.column("dim").to_pylist() == [2, 2]


def test_k_is_how_many_prompts_were_combined() -> None:
    assert answered(PAPER).column("k").to_pylist() == [2, 1]


def test_the_mapped_space_averages_mapped_vectors() -> None:
    found = answered(PAPER.model_copy(update={"knn_space": "clip_mapped"}))
    assert from_arrow(found.column("embedding")) == pytest.approx(np.array([[1, 0.6], [1.2, 0.4]]))


@pytest.mark.parametrize("kept", [1, 2, 10])
def test_as_many_neighbours_are_kept_as_the_settings_say(kept: int) -> None:
    settings = PAPER.model_copy(update={"neighbours_kept": kept})
    first, second = answered(settings).column("neighbours").to_pylist()
    assert [one["prompt"] for one in first] == ["a cat", "a dog", "a rocket"][:kept]
    assert [one["prompt_id"] for one in first] == ["cat", "dog", "rocket"][:kept]
    assert [one["rank"] for one in first] == [1, 2, 3][:kept]
    assert [one["similarity"] for one in first] == pytest.approx([0.9, 0.5, 0.1][:kept])
    assert [one["prompt_id"] for one in second] == ["dog"]


def test_columns_are_in_the_order_of_the_schema() -> None:
    names = re.findall(r"`(\w+)`", ANSWER_SCHEMA)
    assert answered(PAPER).schema.names == names


def test_more_neighbours_than_prompts_are_refused_with_the_cure() -> None:
    check_k(PAPER, prompts=2)
    with pytest.raises(SettingsError, match=r"k is 2, but the index holds 1 .* lower `prediction"):
        check_k(PAPER, prompts=1)


def hashed(**prediction: object) -> str:
    return prediction_hash(OnlineSettings.model_validate({"prediction": prediction}), MODELS)


def test_what_changes_a_prediction_changes_its_hash() -> None:
    second = {"clip": {"model": "ViT-B-32", "pretrained": "openai"}}
    third = {"clip": {"model": "ViT-B-16", "pretrained": "openai"}}
    changes: tuple[dict[str, object], ...] = (
        {}, {"k": 7}, {"temperature": 0.2}, {"rescoring": second}, {"rescoring": third},
    )  # fmt: skip
    assert len({hashed(**change) for change in changes}) == len(changes)
    other = Models(MODELS.clip, MODELS.sentence, "another", MODELS.sentence_identity)
    assert prediction_hash(OnlineSettings(), other) != hashed()


def test_how_a_job_goes_about_it_does_not() -> None:
    assert hashed(images_per_wave=5, repredict=True) == hashed()
