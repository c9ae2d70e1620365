"""Vectors of texts that are the same in every run: a model's vocabulary, the names of classes.

They are kept on the machine of the driver, so that a scheduled job does not embed them each day.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import numpy as np

from promptknn.encoders.encoder import Vectors
from promptknn.section import settings_hash


def reference_vectors(
    cache: Path, identity: str, texts: Sequence[str], embed: Callable[[], Vectors]
) -> Vectors:
    """Give the vectors of texts, embedded by the first job on this machine that asks for them.

    Args:
        cache: folder of the files that are kept.
        identity: of the model, its weights included.
        texts: what is embedded.
        embed: embeds them all.

    Returns:
        float32, (n, d), in the order of the texts.
    """
    file = cache / f"reference-{settings_hash(identity, *texts)}.npy"
    kept = _read(file, len(texts))
    if kept is not None:
        return kept
    vectors = embed()
    # A full or read-only disk costs the next job some seconds, and this one nothing.
    with suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = file.with_name(f".{file.stem}-{uuid4().hex}.npy")
        try:
            np.save(unfinished, vectors)
            unfinished.replace(file)
            # Left by killed jobs; one that writes at this moment does without.
            for left in file.parent.glob(f".{file.stem}-*"):
                left.unlink(missing_ok=True)
        finally:
            unfinished.unlink(missing_ok=True)
    return vectors


def _read(file: Path, rows: int) -> Vectors | None:
    # What a cut file raises depends on where it was cut.
    with suppress(OSError, ValueError):
        vectors = np.load(file, allow_pickle=False)
        if vectors.dtype == np.float32 and vectors.ndim == 2 and len(vectors) == rows:
            return np.asarray(vectors, dtype=np.float32)
    return None
