"""Scoring combinations of neighbours against true prompts, for every kind of evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.arrow_vectors import from_arrow
from promptknn.encoders.embed_prompts import of_models
from promptknn.encoders.models import Models
from promptknn.errors import MissingInputError
from promptknn.evaluation.cosine import Doubles, Groups
from promptknn.evaluation.groups import groups_of_images
from promptknn.evaluation.neighbourhood import (
    SCORES,
    embed_truths,
    leaked_prompts,
    score_batches,
    with_truths,
)
from promptknn.evaluation.truths import check_names, image_name, named_truths, read_truths
from promptknn.index.active import active_index
from promptknn.prediction.combination import Combination
from promptknn.prediction.of_files import without_copied_over
from promptknn.prediction.predict import embedded_images
from promptknn.stage import Context
from promptknn.tables import PROMPT_EMBEDDINGS, REJECTED_IMAGES


@dataclass(frozen=True)
class Scores:
    """Mean cosines of images and variants; the evaluated images fit the driver.

    Attributes:
        variants: what was scored, by name.
        image_ids: the images, in the order of the rows below.
        cosines: float64, (images, variants), mean over an image's true prompts.
        truths: float64, (images,), how many true prompts each image has.
        groups: int64, (images,), images with near-duplicate truths share a number.
        signals: float64, (images, 2), mean similarity and agreement of the neighbours of the last
            variant.
        left_out: prompts too close to a truth to be anyone's neighbours.
        models: the models.
        index_version: the index.
    """

    variants: Mapping[str, Combination]
    image_ids: Sequence[str]
    cosines: Doubles
    truths: Doubles
    groups: Groups
    signals: Doubles
    left_out: int
    models: Models
    index_version: str

    @property
    def sentence(self) -> str:
        """Say what was compared."""
        return (
            f"{len(self.cosines):,} images, {int(self.truths.sum()):,} true prompts, "
            f"{self.left_out:,} prompts too close to a truth left out of the pool"
        )


def score(context: Context, variants: Mapping[str, Combination]) -> Scores:
    """Score variants on the images that have true prompts, from one search at the largest k.

    No image may retrieve the truth: prompts within `evaluation.leak_similarity` of any evaluated
    truth are left out of the neighbours.

    Raises:
        MissingInputError: no truths are named, or none belongs to an embedded image.
        SettingsError: the truths belong to two images of one name.
        ModelMismatchError: the active index was made with other models.
    """
    lake, settings = context.lake, context.settings
    models = Models.of(settings)
    index = active_index(lake, settings, models)
    images = embedded_images(lake, models, Models.rescoring_of(settings))
    images = without_copied_over(images, lake.read_or_empty(REJECTED_IMAGES))
    images = images.withColumn("image_name", image_name(F.col("image_uri")))
    truths = _embedded_truths(context, models, images)
    if truths.num_rows == 0:
        raise MissingInputError(
            "No embedded image has a true prompt: run jobs/predict_prompts.py on the images "
            "that `evaluation.truths` names (they are matched by file name)."
        )
    pool = of_models(lake.read(PROMPT_EMBEDDINGS), models)
    vectors = from_arrow(truths.column("vector"))
    left_out = leaked_prompts(pool, vectors, settings.evaluation.leak_similarity)
    scoring = score_batches(index.handle, list(variants.values()), left_out, models)
    evaluated = with_truths(images, context.spark.createDataFrame(truths))
    # Sorted here: Spark would score twice, once to sample the ranges of its sort.
    found = evaluated.mapInArrow(scoring, SCORES).toArrow().sort_by("image_id")
    names = found.column("image_name").to_pylist()
    check_names(names, found.column("image_uri").to_pylist())
    return Scores(
        variants,
        found.column("image_id").to_pylist(),
        np.stack(found.column("cosines").to_numpy()),
        np.asarray(found.column("truths"), dtype=np.float64),
        groups_of_images(names, truths, settings.evaluation.leak_similarity),
        np.stack(found.column("signals").to_numpy()),
        len(left_out),
        models,
        index.version,
    )


def _embedded_truths(context: Context, models: Models, images: DataFrame) -> pa.Table:
    pairs = read_truths(context.spark, named_truths(context.settings.evaluation))
    pairs = pairs.join(images.select("image_name").distinct(), "image_name", "left_semi")
    texts = pairs.select("truth").distinct().repartition(1)
    vectors = texts.mapInArrow(embed_truths(models), "truth string, vector array<float>")
    return pairs.join(vectors, "truth").orderBy("image_name", "truth").toArrow()
