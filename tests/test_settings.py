import subprocess
import sys

import pytest
from pydantic import ValidationError

from promptknn.settings import (
    ClipSettings,
    EmbeddingSettings,
    PredictionSettings,
    SentenceSettings,
    Settings,
    settings_hash,
)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().prediction.k = 3  # type: ignore[misc]


def test_settings_survive_json() -> None:
    settings = Settings.model_validate({
        "lake": "/lake",
        "sources": [{"kind": "file", "path": "/a.csv", "name": "words"}],
        "evaluation": {"truths": {"kind": "coco", "path": "/captions.json"}},
    })  # fmt: skip
    assert Settings.model_validate_json(settings.model_dump_json()) == settings


def test_the_combination_has_the_settings_values() -> None:
    settings = PredictionSettings(
        k=3, w1=0.7, w2=0.3, knn_space="clip_mapped", normalise_parts=True, weighting="power",
        power=2.0, temperature=0.1,
    )  # fmt: skip
    combination = settings.combination
    for name in ("k", "w1", "w2", "normalise_parts", "weighting", "power", "temperature"):
        assert getattr(combination, name) == getattr(settings, name)
    assert combination.space == "clip_mapped"


def test_one_weight_may_be_zero() -> None:
    assert PredictionSettings(w1=0, w2=1).combination.w1 == 0


def test_the_hash_follows_every_value() -> None:
    hashes = {
        settings_hash(ClipSettings()),
        settings_hash(ClipSettings(views=5)),
        settings_hash(ClipSettings(model="ViT-B-32")),
        settings_hash(ClipSettings(), SentenceSettings()),
        settings_hash(ClipSettings(), "identity"),
    }
    assert len(hashes) == 5


def test_the_hash_leaves_out_what_does_not_change_a_result() -> None:
    left_out = frozenset({"batch_size"})
    small, large = ClipSettings(batch_size=8), ClipSettings(batch_size=64)
    assert settings_hash(small) != settings_hash(large)
    assert settings_hash(small, exclude=left_out) == settings_hash(large, exclude=left_out)


def test_the_hash_is_the_same_in_another_process() -> None:
    code = (
        "from promptknn.settings import EmbeddingSettings, settings_hash;"
        "print(settings_hash(EmbeddingSettings(), 'x'))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    found = settings_hash(EmbeddingSettings(), "x")
    assert printed.stdout.decode().strip() == found
    assert len(found) == 16


def test_the_hash_does_not_confuse_where_texts_end() -> None:
    assert settings_hash("ab", "c") != settings_hash("a", "bc")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"clip": {"model": "ViT-B-32"}, "prediction": {"captions": 1}},
            "set `prediction.captions` to 0",
        ),
        (
            {"prediction": {"rescoring": {"clip": {"model": "package-default"}}}},
            "set it to an open_clip model",
        ),
    ],
)
def test_options_that_the_model_cannot_serve_are_refused(
    changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Settings.model_validate(changes)
