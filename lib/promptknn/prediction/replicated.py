"""Search where every worker maps the whole index: map-only, rows stay where they are."""

from collections.abc import Callable, Iterator

import pyarrow as pa
from pyspark.sql import DataFrame

from promptknn.arrow_runs import pieces_of
from promptknn.encoders.models import Models
from promptknn.index.distribution import IndexHandle
from promptknn.prediction.predicted import ANSWER_SCHEMA, predict_images
from promptknn.settings import PredictionSettings

_IMAGES_A_SEARCH = 256


def search_replicated(
    images: DataFrame, handle: IndexHandle, settings: PredictionSettings, models: Models
) -> DataFrame:
    """Predict for image_id, image_uri, embedding (and rescoring_embedding)."""
    return images.mapInArrow(predict_batches(handle, settings, models), ANSWER_SCHEMA)


def predict_batches(
    handle: IndexHandle, settings: PredictionSettings, models: Models
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that predicts for image_id, image_uri and embedding in Spark's workers.

    Where neighbours are scored again it also takes rescoring_embedding.
    """

    def predict(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        index = handle.open()
        for some in pieces_of(batches, _IMAGES_A_SEARCH):
            yield predict_images(index, some, settings, models)

    return predict
