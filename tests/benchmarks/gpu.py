"""How many prompts and pictures a second does a GPU embed, and at what share of its peak?

CLIP's towers with random weights, as `OpenClipEncoder` calls them: prompts (real ones where
PROMPTKNN_BENCH_PROMPTS names files) cut to their tokens, and prepared pictures, in each precision;
beside them open_clip's own towers under bf16 autocast, at 77 tokens. The operations are those that
torch counts in the very calls that are timed; the peak is a product of two 8,192 x 8,192 matrices
in bf16, measured here. What the cores do first, tokenizing and preparing pictures, is left out, and
measured beside them, for one core.

The sentence model, as `SentenceEncoder` calls it and tokenizing included, beside
sentence-transformers under bf16 autocast, in one process: PROMPTKNN_BENCH_SENTENCE names another
one, or its folder.

It needs a GPU, and neither Spark nor a network. PROMPTKNN_BENCH_MODELS names other models.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import open_clip
import torch
from rich.console import Console
from rich.table import Table
from sentence_transformers import SentenceTransformer
from torch.utils.flop_counter import FlopCounterMode

from promptknn.encoders import open_clip as ours
from promptknn.encoders.encoder import Vectors, unit
from promptknn.encoders.precision import Precision, autocast
from promptknn.encoders.sentence import SentenceEncoder, local_folder
from promptknn.encoders.settings import ClipSettings, SentenceSettings
from promptknn.encoders.text_context import encode_tokens
from tests.photographs import photograph
from tests.texts import texts

MODELS = os.environ.get("PROMPTKNN_BENCH_MODELS", "ViT-B-32,ViT-L-14,ViT-H-14").split(",")
SENTENCE = os.environ.get("PROMPTKNN_BENCH_SENTENCE", "all-MiniLM-L6-v2")
PROMPTS, PICTURES, BATCH_SIZE, SENTENCE_BATCH_SIZE = 8_192, 1_024, 256, 1_024
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "bf16")
NAMES = ("astronaut", "chelsea", "coffee", "rocket")
ROUNDS, SIDE, PRODUCTS = 3, 8_192, 20
TERA = 1e12


@dataclass(frozen=True)
class Measured:
    """One tower in one precision: items a second, operations a second, vectors."""

    rate: float
    operations: float
    vectors: Vectors


def main() -> None:
    if not torch.cuda.is_available():
        sys.stderr.write("There is no GPU here: nothing is measured.\n")
        sys.stdout.write("{}\n")
        return
    card, peak = torch.cuda.get_device_name(), _peak()
    table = Table(title=f"{card}: {peak / TERA:,.0f} TFLOP/s in bf16, measured")
    for heading in ("model", "tower", "precision", "a second", "TFLOP/s", "of peak", "1 - cosine"):
        table.add_column(heading, justify="right")
    result: dict[str, Any] = {"device": card, "peak": peak}
    real, prompts = texts(PROMPTS)
    for name in [SENTENCE, *MODELS]:
        measure = _of_sentence_model if name == SENTENCE else _of_model
        for (tower, precision), each in measure(name, prompts, result).items():
            if precision == "fp32":
                whole = each.vectors
            apart = float(1 - (each.vectors * whole).sum(axis=1).min())
            share = each.operations / peak
            table.add_row(
                name, tower, precision, f"{each.rate:,.0f}", f"{each.operations / TERA:,.1f}",
                f"{share:.3f}", f"{apart:.1e}",
            )  # fmt: skip
            told = {"rate": each.rate, "share_of_peak": share, "most_apart": apart}
            result[f"{name} {tower} {precision}"] = told
        torch.cuda.empty_cache()
    Console(width=110).print(table)
    sys.stdout.write(f"{len(prompts):,} prompts, {real:,} real\n{json.dumps(result)}\n")


def _of_model(
    name: str, prompts: list[str], result: dict[str, Any]
) -> dict[tuple[str, str], Measured]:
    tokenizer, images = open_clip.get_tokenizer(name), [photograph(name) for name in NAMES]
    model, transform = _random_model(name)
    tokens, stacked = tokenizer(prompts), torch.stack([transform(image) for image in images])
    stacked = stacked.repeat(PICTURES // len(images), 1, 1, 1)
    result |= {
        f"{name} tokens a prompt": float((tokens != 0).sum() / len(tokens)),
        f"{name} prompts tokenized a second and core": _a_second(tokenizer, prompts),
        f"{name} pictures prepared a second and core": _a_second(transform, images),
    }
    plain_text = partial(_plain, model.encode_text, tokens)
    plain_image = partial(_plain, model.encode_image, stacked)
    # Without autocast torch runs attention as one operation, whose work it does not count.
    text_work = _operations(partial(_texts, model, tokens, "bf16"))
    image_work, padded_work = _operations(plain_image), _operations(plain_text)
    found = {}
    for precision in PRECISIONS:
        settings = ClipSettings(model=name, batch_size=BATCH_SIZE, precision=precision)
        own = _random_model(name)[0]
        with patch.object(ours, "load_open_clip", partial(_loaded, own, transform, tokenizer)):
            encoder = ours.OpenClipEncoder(settings)
        texts_of = partial(_texts, own, tokens, precision)
        found["text", str(precision)] = _measured(texts_of, text_work)
        images_of = partial(encoder.encode_pixels, list(stacked.numpy()))
        found["image", str(precision)] = _measured(images_of, image_work)
    found["text", "open_clip, bf16"] = _measured(plain_text, padded_work)
    found["image", "open_clip, bf16"] = _measured(plain_image, image_work)
    return dict(sorted(found.items(), key=lambda row: row[0][0], reverse=True))


def _of_sentence_model(
    name: str, prompts: list[str], result: dict[str, Any]
) -> dict[tuple[str, str], Measured]:
    encoders = {
        precision: SentenceEncoder(
            SentenceSettings(model=name, batch_size=SENTENCE_BATCH_SIZE, precision=precision)
        )
        for precision in PRECISIONS
    }
    tokenizer = encoders["fp32"].tokenizer
    result[f"{name} prompts tokenized a second and core"] = _a_second(tokenizer.encode, prompts)
    work = _operations(partial(encoders["bf16"].encode_texts, prompts))
    found = {
        ("sentence", str(precision)): _measured(partial(encoder.encode_texts, prompts), work)
        for precision, encoder in encoders.items()
    }
    plain = partial(_plain_sentences, SentenceTransformer(str(local_folder(name) or name)), prompts)
    found["sentence", "sentence-transformers, bf16"] = _measured(plain, work)
    return found


def _plain_sentences(model: SentenceTransformer, prompts: list[str]) -> Vectors:
    with torch.autocast("cuda", torch.bfloat16):
        vectors = model.encode(prompts, batch_size=SENTENCE_BATCH_SIZE, show_progress_bar=False)
    return unit(vectors.astype(np.float32))


def _loaded(*parts: object) -> tuple[object, ...]:
    return parts[:3]


def _random_model(name: str) -> tuple[torch.nn.Module, Any]:
    torch.manual_seed(0)
    with torch.device("cuda"):
        model, _, transform = open_clip.create_model_and_transforms(name, pretrained=None)
    return model.to("cuda").eval(), transform


def _peak() -> float:
    left, right = (torch.randn(SIDE, SIDE, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    seconds = []
    for _ in range(ROUNDS):
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(PRODUCTS):
            left @ right
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return PRODUCTS * 2 * SIDE**3 / min(seconds)


def _operations(call: Callable[[], Vectors]) -> int:
    with FlopCounterMode(display=False) as counted:
        call()
    return int(counted.get_total_flops())


def _measured(call: Callable[[], Vectors], operations: int) -> Measured:
    vectors = call()
    seconds = []
    for _ in range(ROUNDS):
        torch.cuda.synchronize()
        started = time.perf_counter()
        call()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return Measured(len(vectors) / min(seconds), operations / min(seconds), vectors)


def _plain(encode: Callable[[torch.Tensor], torch.Tensor], rows: torch.Tensor) -> Vectors:
    with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
        parts = [encode(part.to("cuda")).float().cpu().numpy() for part in rows.split(BATCH_SIZE)]
    return unit(np.concatenate(parts))


def _texts(model: Any, tokens: torch.Tensor, precision: Precision) -> Vectors:
    device = torch.device("cuda")
    with autocast(precision, device):
        return unit(encode_tokens(model, tokens, BATCH_SIZE, device))


def _a_second(work: Callable[[Any], object], items: Sequence[Any]) -> float:
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < 2:
        work(items[count % len(items)])
        count += 1
    return count / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
