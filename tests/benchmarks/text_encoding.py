"""How much faster are short prompts encoded than at CLIP's full context, to the same vectors?

ViT-B-32 with random weights, 2,000 of the demo's prompts, one after the other in one process: what
`OpenClipEncoder` does, against open_clip's own `encode_text` at 77 tokens.
"""

import json
import os
import sys
import time
from collections.abc import Callable

import numpy as np
import open_clip
import torch
from rich.console import Console
from rich.table import Table

from promptknn.encoders.encoder import Vectors, unit
from promptknn.encoders.text_context import encode_tokens
from promptknn.sources.demo import compose

PROMPTS = 2_000
BATCH_SIZE = 64


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(os.cpu_count() or 1)
    model = open_clip.create_model("ViT-B-32", pretrained=None).eval()
    texts = compose(PROMPTS, seed=0)
    tokens = open_clip.get_tokenizer("ViT-B-32")(texts)
    device = torch.device("cpu")

    def full() -> Vectors:
        with torch.inference_mode():
            parts = [model.encode_text(part).numpy() for part in tokens.split(BATCH_SIZE)]
        return unit(np.concatenate(parts))

    def cut() -> Vectors:
        return unit(encode_tokens(model, tokens, BATCH_SIZE, device))

    ours, seconds = _timed(cut)
    theirs, seconds_full = _timed(full)
    difference = float(np.abs(ours - theirs).max())
    table = Table(title=f"{PROMPTS:,} prompts of {(tokens != 0).sum() / PROMPTS:.1f} tokens")
    for heading in ("encoder", "seconds", "prompts/s"):
        table.add_column(heading, justify="right")
    for name, took in (("open_clip, 77 tokens", seconds_full), ("promptknn", seconds)):
        table.add_row(name, f"{took:.1f}", f"{PROMPTS / took:,.0f}")
    Console().print(table)
    ratios = {"ratio_to_open_clip": seconds_full / seconds, "difference": difference}
    sys.stdout.write(json.dumps(ratios) + "\n")


def _timed(encode: Callable[[], Vectors]) -> tuple[Vectors, float]:
    encode_started = time.perf_counter()
    vectors = encode()
    return vectors, time.perf_counter() - encode_started


if __name__ == "__main__":
    main()
