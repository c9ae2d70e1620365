"""What a prediction holds, made of the prompts found for a batch of images."""

import numpy as np
import pyarrow as pa

from promptknn.arrow_vectors import to_arrow
from promptknn.encoders.models import Models
from promptknn.index.neighbours import Neighbours
from promptknn.index.prompt_reading import FoundPrompts
from promptknn.index.shard import Texts
from promptknn.prediction.candidates import candidates
from promptknn.settings import PredictionSettings
from promptknn.tables import PREDICTIONS

_COLUMNS = [
    "image_id", "image_uri", "predicted_prompt", "neighbours", "embedding", "dim",
    "mean_similarity", "agreement", "k",
]  # fmt: skip
ANSWER_SCHEMA = PREDICTIONS.schema(*_COLUMNS)


def answer(
    prompts: FoundPrompts,
    found: Neighbours,
    images: pa.RecordBatch,
    settings: PredictionSettings,
    models: Models,
) -> pa.RecordBatch:
    """Combine the prompts found for images into predictions (paper, section 3.3).

    Args:
        prompts: what the neighbours point into.
        found: for the images, in their order.
        images: image_id, image_uri, embedding, and rescoring_embedding where neighbours are
            scored again.
        settings: k, w1, w2 and how neighbours are weighed.
        models: of the index.

    Returns:
        A row an image, as ANSWER_SCHEMA says.
    """
    combination = settings.combination
    prompts, found = candidates(prompts, found, images, models, combination)
    mapped = prompts.vectors(found, "clip_mapped") if combination.space == "clip_mapped" else None
    neighbours = prompts.vectors(found)
    embedding = combination.e_pred(found.similarities, neighbours, mapped)
    signals = combination.signals(found.similarities, neighbours)
    texts = prompts.texts(found, settings.neighbours_kept)
    rows, k = found.similarities.shape
    columns = {
        "image_id": images.column("image_id"),
        "image_uri": images.column("image_uri"),
        "predicted_prompt": pa.array(texts[:, 0], pa.string()),
        "neighbours": _neighbours_column(found, texts),
        "embedding": to_arrow(embedding),
        "dim": pa.array(np.full(rows, embedding.shape[1], np.int32)),
        "mean_similarity": pa.array(np.ascontiguousarray(signals[:, 0])),
        "agreement": pa.array(np.ascontiguousarray(signals[:, 1])),
        "k": pa.array(np.full(rows, k, np.int32)),
    }
    return pa.RecordBatch.from_pydict(columns)


def _neighbours_column(found: Neighbours, texts: Texts) -> pa.ListArray:
    rows, kept = texts.shape
    neighbours = pa.StructArray.from_arrays(
        [
            pa.array(np.tile(np.arange(1, kept + 1, dtype=np.int32), rows)),
            pa.array(found.prompt_ids[:, :kept].ravel(), pa.string()),
            pa.array(texts.ravel(), pa.string()),
            pa.array(np.ascontiguousarray(found.similarities[:, :kept]).ravel()),
        ],
        ["rank", "prompt_id", "prompt", "similarity"],
    )
    offsets = pa.array(np.arange(0, rows * kept + 1, kept, dtype=np.int32))
    return pa.ListArray.from_arrays(offsets, neighbours)
