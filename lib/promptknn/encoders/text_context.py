"""Encoding short prompts without the padding that fills CLIP's context, to the same vectors.

A prompt has some 15 tokens, the context 77. Where attention is causal and the vector is taken at
the end-of-text token, nothing behind that token reaches it: a batch may be cut to its longest
prompt.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from promptknn.encoders.device import transfer

if TYPE_CHECKING:
    import open_clip
    import torch

Lengths = npt.NDArray[np.int64]


def encode_tokens(
    model: "open_clip.CLIP", tokens: "torch.Tensor", batch_size: int, device: "torch.device"
) -> npt.NDArray[np.float32]:
    """Encode tokenized prompts, each batch cut to its longest prompt where that is exact.

    Args:
        model: an open_clip model in evaluation mode.
        tokens: int64, (n, context length).
        batch_size: prompts of full length in a batch; shorter ones fill it with as many tokens.
        device: where the model is.

    Returns:
        float32, (n, d), in the order of `tokens`, not normalised.
    """
    import torch

    lengths = needed_lengths(model, tokens)
    order = np.argsort(-lengths, kind="stable")
    if not len(tokens):
        raise ValueError("there are no prompts to encode")
    parts = []
    with torch.inference_mode():
        in_order = transfer(tokens[torch.from_numpy(order)], device)
        for rows in _batches(lengths[order], batch_size * tokens.shape[1]):
            batch = in_order[rows, : int(lengths[order[rows.start]])]
            whole = batch.shape[1] == tokens.shape[1]
            encode = model.encode_text if whole else _shortened(model, batch.shape[1])
            parts.append(encode(batch))
        # Only here the host waits for a GPU.
        found = torch.cat(parts).float().cpu().numpy()
    vectors = np.empty_like(found)
    vectors[order] = found
    return vectors


def needed_lengths(model: "open_clip.CLIP", tokens: "torch.Tensor") -> Lengths:
    """Count the tokens of each prompt that its vector depends on.

    Args:
        model: an open_clip model. Its own text towers need a prompt up to the end-of-text token if
            they are causal and pool there; towers of Hugging Face mask the padding themselves.
            Others (bidirectional, pooled at the last position, or with a class token behind the
            text as CoCa has) need all of it.
        tokens: int64, (n, context length).

    Returns:
        int64, (n,), 1 to the context length.
    """
    import torch
    from open_clip.hf_model import ClsPooler, HFTextEncoder, MeanPooler

    tower = getattr(model, "text", model)
    places = torch.arange(1, tokens.shape[1] + 1)
    if isinstance(tower, HFTextEncoder):
        if isinstance(tower.pooler, MeanPooler | ClsPooler):
            real = tokens != tower.config.pad_token_id
            return _at_least_one((real * places).amax(dim=1))
    elif getattr(tower, "attn_mask", None) is not None and not _has_class_token(tower):
        pooling = getattr(tower, "pool_type", None) or getattr(tower, "text_pool_type", None)
        if pooling == "argmax":
            return _at_least_one(tokens.argmax(dim=1) + 1)
        if pooling == "eos":
            end = tower.eos_id if hasattr(tower, "eos_id") else tower.text_eos_id
            return _at_least_one((tokens == end).int().argmax(dim=1) + 1)
    return np.full(len(tokens), tokens.shape[1], dtype=np.int64)


def _at_least_one(lengths: "torch.Tensor") -> Lengths:
    return np.maximum(lengths.numpy().astype(np.int64), 1)


def _has_class_token(tower: Any) -> bool:
    return getattr(tower, "cls_emb", None) is not None


def _shortened(model: "open_clip.CLIP", length: int) -> "Callable[[torch.Tensor], torch.Tensor]":
    """Give the model's `encode_text` for tokens of one length, under the context length."""
    import torch
    from open_clip.hf_model import HFTextEncoder

    tower = getattr(model, "text", model)
    if isinstance(tower, HFTextEncoder):
        encode: Callable[[torch.Tensor], torch.Tensor] = model.encode_text
        return encode
    place = "model" if tower is model else "model.text"
    shorter = {
        f"{place}.positional_embedding": tower.positional_embedding[:length],
        f"{place}.attn_mask": tower.attn_mask[:length, :length],
    }

    class TextTower(torch.nn.Module):
        # functional_call calls `forward`, which open_clip keeps for images and texts together.
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.model.encode_text(tokens)
            return found

    # For a call the tower has a shorter context; the model itself is left as it is.
    return lambda tokens: torch.func.functional_call(TextTower(), shorter, (tokens,))


def _batches(lengths: Lengths, most_tokens: int) -> Iterator[slice]:
    start = 0
    while start < len(lengths):
        stop = min(start + max(1, most_tokens // int(lengths[start])), len(lengths))
        yield slice(start, stop)
        start = stop
