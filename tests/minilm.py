"""Vectors of composed prompts by the sentence model, kept from one benchmark to the next."""

import hashlib
import sys
import time
from pathlib import Path

import numpy as np

from promptknn.encoders.encoder import Vectors
from promptknn.encoders.models import Models
from promptknn.locations import default_cache
from promptknn.settings import Settings
from promptknn.sources.demo import compose

_ROWS = 5_000


def composed_vectors(count: int, seconds: float = float("inf")) -> Vectors:
    """Embed the first prompts of the demo's composition, as many as there is time for.

    Args:
        count: how many; they are float32, (n, 384), unit rows, in the order of `compose`.
        seconds: how long new ones may take, the first thousands aside.
    """
    models = Models.of(Settings())
    name = hashlib.sha256(models.sentence_identity.encode()).hexdigest()[:16]
    folder = Path(default_cache()) / "benchmarks" / name
    folder.mkdir(parents=True, exist_ok=True)
    texts, encoder, started = compose(count, seed=0), None, time.monotonic()
    parts = []
    for start in range(0, count, _ROWS):
        file = folder / f"{start}.npy"
        if not file.exists():
            if parts and time.monotonic() - started > seconds:
                break
            encoder = encoder or models.sentence_encoder()
            np.save(file, encoder.encode_texts(texts[start : start + _ROWS]).astype(np.float16))
        parts.append(np.load(file).astype(np.float32))
    vectors: Vectors = np.concatenate(parts)[:count]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def embedded_vectors(count: int) -> Vectors:
    """Give those that this machine has embedded already, and some thousands where it has none."""
    return composed_vectors(count, seconds=0)


if __name__ == "__main__":
    embedded = composed_vectors(int(sys.argv[1]), float(sys.argv[2]))
    sys.stdout.write(f"{len(embedded):,} prompts\n")
