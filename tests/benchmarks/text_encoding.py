"""How much faster are short prompts encoded than at CLIP's full context, to the same vectors?

ViT-B-32 with random weights, 2,000 prompts (real ones where PROMPTKNN_BENCH_PROMPTS names files),
one after the other: what `OpenClipEncoder` does, against open_clip's own `encode_text` at 77
tokens, and against clip-retrieval's mapper on the same weights, in an environment of its own.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import open_clip
import torch
from rich.console import Console
from rich.table import Table

from promptknn.encoders.encoder import Vectors, unit
from promptknn.encoders.text_context import encode_tokens
from tests.peers import run_peer
from tests.texts import texts

PROMPTS = 2_000
BATCH_SIZE = 64
# clip-retrieval's default.
PEER_BATCH_SIZE = 256
ROUNDS = 3
WARMING_UP = 2
_WITHIN = 1e-5


def main() -> None:
    torch.manual_seed(0)
    threads = os.cpu_count() or 1
    torch.set_num_threads(threads)
    model = open_clip.create_model("ViT-B-32", pretrained=None).eval()
    real, prompts = texts(PROMPTS)
    tokens = open_clip.get_tokenizer("ViT-B-32")(prompts)
    device = torch.device("cpu")

    def full() -> Vectors:
        with torch.inference_mode():
            parts = [model.encode_text(part).numpy() for part in tokens.split(BATCH_SIZE)]
        return unit(np.concatenate(parts))

    def cut() -> Vectors:
        return unit(encode_tokens(model, tokens, BATCH_SIZE, device))

    with torch.inference_mode():
        for _ in range(WARMING_UP):
            model.encode_text(tokens[:BATCH_SIZE])
    ours, seconds = _timed(cut)
    theirs, seconds_full = _timed(full)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder, "weights.pt")
        torch.save(model.state_dict(), checkpoint)
        np.save(Path(folder, "tokens.npy"), tokens.numpy())
        vectors = Path(folder, "vectors.npy")
        said = run_peer(
            "clip_retrieval_texts", str(checkpoint), str(Path(folder, "tokens.npy")),
            str(PEER_BATCH_SIZE), str(vectors), str(threads), str(ROUNDS),
        )  # fmt: skip
        peers = np.load(vectors).astype(np.float32)
    took = {
        "open_clip, 77 tokens": seconds_full,
        "clip-retrieval's mapper": said["seconds"],
        "promptknn": seconds,
    }
    mean = (tokens != 0).sum() / PROMPTS
    table = Table(title=f"{PROMPTS:,} prompts, {real:,} of them from files, {mean:.1f} tokens each")
    for heading in ("encoder", "seconds", "prompts/s"):
        table.add_column(heading, justify="right")
    for name, each in took.items():
        table.add_row(name, f"{each:.1f}", f"{PROMPTS / each:,.0f}")
    Console().print(table)
    difference = float(np.abs(ours - theirs).max())
    result = {
        "ratio_to_open_clip": seconds_full / seconds,
        "ratio_to_clip_retrieval": said["seconds"] / seconds,
        "difference": difference,
        # clip-retrieval gives fp16.
        "difference_to_clip_retrieval": float(np.abs(ours - unit(peers)).max()),
    }
    sys.stdout.write(json.dumps(result) + "\n")
    if difference > _WITHIN:
        raise SystemExit(f"the vectors differ by {difference}, more than {_WITHIN}")


def _timed(encode: Callable[[], Vectors]) -> tuple[Vectors, float]:
    """Give the vectors, and the seconds of the fastest round."""
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        vectors = encode()
        seconds.append(time.perf_counter() - started)
    return vectors, min(seconds)


if __name__ == "__main__":
    main()
