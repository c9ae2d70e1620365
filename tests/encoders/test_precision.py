from typing import get_args

import numpy as np
import pytest
import torch

from promptknn.encoders.encoder import Vectors
from promptknn.encoders.models import Models
from promptknn.encoders.open_clip import OpenClipEncoder
from promptknn.encoders.precision import Precision, autocast, half_type
from promptknn.encoders.sentence import SentenceEncoder
from promptknn.errors import SettingsError
from promptknn.settings import ClipSettings, SentenceSettings, Settings
from promptknn.settings_file import load_settings
from tests.photographs import photograph
from tests.submission import ROOT

TEXTS = ["a cat", "a photo of a cup of coffee on a table", "a rocket " * 60, "x"]
HALF: list[Precision] = ["fp16", "bf16"]
WITHIN = 2e-2


def _differ_slightly(half: Vectors, whole: Vectors) -> None:
    assert half.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(half, axis=1), 1, atol=1e-6)
    assert 0 < np.abs(half - whole).max() < WITHIN


@pytest.mark.parametrize("precision", HALF)
def test_towers_of_open_clip_compute_in_half_precision(
    tiny_model: str, precision: Precision
) -> None:
    whole = OpenClipEncoder(ClipSettings(model=tiny_model, precision="fp32"))
    half = OpenClipEncoder(ClipSettings(model=tiny_model, precision=precision))
    images = [photograph("coffee"), photograph("rocket")]
    _differ_slightly(half.encode_texts(TEXTS), whole.encode_texts(TEXTS))
    _differ_slightly(half.encode_images(images), whole.encode_images(images))


def test_sentence_models_compute_in_half_precision() -> None:
    whole, half = (
        SentenceEncoder(SentenceSettings(precision=precision)) for precision in ("fp32", "bf16")
    )
    _differ_slightly(half.encode_texts(TEXTS), whole.encode_texts(TEXTS))


def test_left_to_itself_a_gpu_computes_in_fp16_and_a_cpu_in_fp32() -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert half_type("auto", gpu) == torch.float16
    assert half_type("auto", cpu) is None
    for device in (cpu, gpu):
        assert half_type("bf16", device) == torch.bfloat16
        assert half_type("fp32", device) is None


def test_autocast_is_on_where_a_model_computes_in_16_bits() -> None:
    with autocast("auto", torch.device("cpu")):
        assert not torch.is_autocast_enabled("cpu")
    with autocast("bf16", torch.device("cpu")):
        assert torch.is_autocast_enabled("cpu")


def test_another_precision_is_the_same_model(tiny_model: str) -> None:
    names = set()
    for precision in get_args(Precision):
        settings = Settings(
            clip=ClipSettings(model=tiny_model, precision=precision),
            sentence=SentenceSettings(precision=precision),
        )
        models = Models.of(settings)
        names.add((models.clip_identity, models.sentence_identity))
    assert len(names) == 1


def test_an_unknown_precision_is_refused_by_its_key() -> None:
    with pytest.raises(SettingsError, match=r"clip\.precision"):
        load_settings(ROOT / "conf" / "local.yaml", ["clip.precision=int8"])
