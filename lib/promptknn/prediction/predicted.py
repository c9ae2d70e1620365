"""What is predicted for images once they are embedded, with Spark around it or without."""

import numpy as np
import pyarrow as pa

from promptknn.arrow_vectors import from_arrow, to_arrow
from promptknn.encoders.models import Models
from promptknn.errors import SettingsError
from promptknn.index.neighbours import Neighbours
from promptknn.index.prompt_reading import FoundPrompts
from promptknn.index.searchable import SearchableIndex
from promptknn.index.shard import Texts
from promptknn.online_settings import OnlineSettings
from promptknn.prediction.candidates import candidates
from promptknn.prediction.settings import PredictionSettings
from promptknn.section import settings_hash
from promptknn.tables import PREDICTIONS

_COLUMNS = [
    "image_id", "image_uri", "predicted_prompt", "neighbours", "embedding", "dim",
    "mean_similarity", "agreement", "k",
]  # fmt: skip
ANSWER_SCHEMA = PREDICTIONS.schema(*_COLUMNS)
# Keys that do not change what is predicted.
_NOT_CONTENT = frozenset({"images_per_wave", "repredict"})


def predict_images(
    index: SearchableIndex, images: pa.RecordBatch, settings: PredictionSettings, models: Models
) -> pa.RecordBatch:
    """Search an open index for images, and `answer`.

    Raises:
        ModelMismatchError: the embeddings have not the dimension the index was built for.
    """
    found = index.search(from_arrow(images.column("embedding")), settings.k)
    return answer(index, found, images, settings, models)


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
        settings: how many neighbours, and how they are combined.
        models: of the index.

    Returns:
        A row an image, as ANSWER_SCHEMA says: what the table predictions has but the names of
        models and settings. None for an image that no prompt was found for: inverted lists that
        are near it may be empty.
    """
    combination = settings.combination
    answered = found.filled[:, 0]
    found, images = found.rows(answered), images.filter(pa.array(answered))
    prompts, found = candidates(prompts, found, images, models, combination, combination.k)
    mapped = prompts.vectors(found, "clip_mapped") if combination.space == "clip_mapped" else None
    neighbours = prompts.vectors(found)
    embedding = combination.e_pred(found.similarities, neighbours, mapped)
    signals = combination.signals(found.similarities, neighbours)
    texts = prompts.texts(found, settings.neighbours_kept)
    counts = found.filled[:, : combination.k].sum(axis=1)
    columns = {
        "image_id": images.column("image_id"),
        "image_uri": images.column("image_uri"),
        "predicted_prompt": pa.array(texts[:, 0], pa.string()),
        "neighbours": _neighbours_column(found, texts),
        "embedding": to_arrow(embedding),
        "dim": pa.array(np.full(len(embedding), embedding.shape[1], np.int32)),
        "mean_similarity": pa.array(np.ascontiguousarray(signals[:, 0])),
        "agreement": pa.array(np.ascontiguousarray(signals[:, 1])),
        "k": pa.array(counts.astype(np.int32)),
    }
    return pa.RecordBatch.from_pydict(columns)


def _neighbours_column(found: Neighbours, texts: Texts) -> pa.ListArray:
    kept = texts.shape[1]
    filled = found.filled[:, :kept]
    neighbours = pa.StructArray.from_arrays(
        [
            pa.array((np.nonzero(filled)[1] + 1).astype(np.int32)),
            pa.array(found.prompt_ids[:, :kept][filled], pa.string()),
            pa.array(texts[filled], pa.string()),
            pa.array(found.similarities[:, :kept][filled]),
        ],
        ["rank", "prompt_id", "prompt", "similarity"],
    )
    offsets = np.concatenate([[0], np.cumsum(filled.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), neighbours)


def check_k(settings: PredictionSettings, prompts: int) -> None:
    """Check that the index has as many prompts as neighbours are asked for.

    Raises:
        SettingsError: it has fewer.
    """
    if settings.k > prompts:
        raise SettingsError(
            f"prediction.k is {settings.k}, but the index holds {prompts} prompts: "
            f"lower `prediction.k` or add prompts to `sources`."
        )


def prediction_hash(settings: OnlineSettings, models: Models) -> str:
    """Name the settings and models that decide a prediction."""
    second = Models.rescoring_of(settings)
    names = [models.clip_identity, models.sentence_identity]
    names += [second.clip_identity] if second else []
    return settings_hash(settings.prediction, *names, exclude=_NOT_CONTENT)
