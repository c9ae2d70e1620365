from collections.abc import Mapping

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from promptknn.encoders.text_context import encode_tokens, needed_lengths

_VISION = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
_TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
_CPU = torch.device("cpu")
PROMPTS = (
    "a",
    "a photograph of an astronaut riding a horse",
    "an oil painting of a fox in the snow, by Bruno Liljefors, " + "very detailed, " * 20,
    "",
    "zwei Katzen 🐈",
)


def _model(kind: type[torch.nn.Module], **text: object) -> torch.nn.Module:
    torch.manual_seed(3)
    return kind(embed_dim=16, vision_cfg=_VISION, text_cfg={**_TEXT, **text}).eval()


def _tower(**text: object) -> torch.nn.Module:
    return _model(open_clip.model.CustomTextCLIP, **text)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _full(model: torch.nn.Module, tokens: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        return model.encode_text(tokens).numpy()


# Every kind of text tower that open_clip makes, and whether its prompts may be cut.
_KINDS: Mapping[str, tuple[torch.nn.Module, bool]] = {
    "CLIP": (_model(open_clip.CLIP), True),
    "custom": (_tower(), True),
    "end of text by its id": (_tower(pool_type="eos", eos_id=49407), True),
    "pooled at the last position": (_tower(pool_type="last"), False),
    "bidirectional": (_tower(no_causal_mask=True), False),
    "class token": (_tower(embed_cls=True, context_length=76), False),
}


@pytest.mark.parametrize("kind", _KINDS)
def test_vectors_are_those_of_the_full_context(kind: str) -> None:
    model, cut = _KINDS[kind]
    tokens = open_clip.tokenize(PROMPTS, model.context_length)
    found = encode_tokens(model, tokens, 2, _CPU)
    assert found.dtype == np.float32
    np.testing.assert_allclose(_unit(found), _unit(_full(model, tokens)), atol=1e-5)
    needed = (tokens != 0).sum(dim=1) if cut else torch.full((len(PROMPTS),), tokens.shape[1])
    assert needed_lengths(model, tokens).tolist() == needed.tolist()


def test_the_model_is_left_as_it_was() -> None:
    model, _ = _KINDS["CLIP"]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    encode_tokens(model, open_clip.tokenize(["a cat"]), 4, _CPU)
    assert model.attn_mask.shape == (77, 77)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_tower_of_hugging_face_masks_its_own_padding(hugging_face: torch.nn.Module) -> None:
    tokens = torch.zeros((3, 77), dtype=torch.int64)
    tokens[0, :4] = torch.tensor([101, 7, 8, 102])
    tokens[1, :9] = torch.arange(101, 110)
    tokens[2, :2] = torch.tensor([101, 102])
    assert needed_lengths(hugging_face, tokens).tolist() == [4, 9, 2]
    found = encode_tokens(hugging_face, tokens, 1, _CPU)
    np.testing.assert_allclose(_unit(found), _unit(_full(hugging_face, tokens)), atol=1e-5)


@pytest.fixture(scope="module", params=["mean_pooler", "cls_pooler"])
def hugging_face(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> torch.nn.Module:
    from transformers import BertConfig

    folder = tmp_path_factory.mktemp("bert")
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    BertConfig(vocab_size=200, intermediate_size=64, **sizes).save_pretrained(folder)
    return _tower(
        hf_model_name=str(folder), hf_pooler_type=request.param, hf_model_pretrained=False,
        hf_proj_type="linear",
    )  # fmt: skip


@settings(max_examples=20)
@given(st.lists(st.integers(0, 75), min_size=1, max_size=12), st.integers(1, 5))
def test_order_and_batches_change_nothing(sizes: list[int], batch_size: int) -> None:
    model, _ = _KINDS["CLIP"]
    rows = torch.zeros((len(sizes), 77), dtype=torch.int64)
    for row, size in enumerate(sizes):
        rows[row, 0], rows[row, size + 1] = 49406, 49407
        rows[row, 1 : size + 1] = torch.arange(1, size + 1) + row
    found = encode_tokens(model, rows, batch_size, _CPU)
    np.testing.assert_allclose(_unit(found), _unit(_full(model, rows)), atol=1e-5)
