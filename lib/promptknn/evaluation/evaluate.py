"""The stage that scores predictions against true prompts: table 2 of the paper."""

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from rich.table import Table as TerminalTable

from promptknn.arrow_vectors import from_arrow
from promptknn.encoders.embed_prompts import of_models
from promptknn.encoders.models import Models
from promptknn.errors import MissingInputError
from promptknn.evaluation.cosine import Estimate, bootstrap
from promptknn.evaluation.neighbourhood import (
    SCORES,
    embed_truths,
    leaked_prompts,
    score_batches,
    with_truths,
)
from promptknn.evaluation.truths import image_name, read_truths
from promptknn.index.active import active_index
from promptknn.prediction.combination import Combination
from promptknn.settings import PredictionSettings
from promptknn.stage import Context, Counts, Stage
from promptknn.tables import (
    EVALUATIONS,
    IMAGE_EMBEDDINGS,
    INDEX_VERSIONS,
    PROMPT_EMBEDDINGS,
)

_IMAGES_A_TASK = 500


def variants_of(
    settings: PredictionSettings, neighbours: tuple[int, ...]
) -> dict[str, Combination]:
    """Name what is evaluated: the rows of the paper's table 2, and the configured combination."""
    w1, w2 = settings.w1 or 0.6, settings.w2 or 0.4
    return {
        "Clip": Combination(k=1, w1=0.0, w2=1.0),
        **{f"Clip + KNN ({k})": Combination(k=k, w1=w1, w2=w2) for k in neighbours},
        "configured": settings.combination,
    }


class Evaluate(Stage):
    """image_embeddings + index + truths -> evaluations.

    No image may retrieve the truth: prompts within `evaluation.leak_similarity` of any evaluated
    truth are left out of the neighbours.
    """

    name = "evaluate"
    inputs = (IMAGE_EMBEDDINGS, INDEX_VERSIONS, PROMPT_EMBEDDINGS)
    outputs = (EVALUATIONS,)

    def run(self, context: Context) -> Counts:
        lake, settings = context.lake, context.settings
        models = Models.of(settings)
        index = active_index(lake, settings, models)
        truths = self._truths(context, models)
        vectors = from_arrow(truths.select("vector").distinct().toArrow().column("vector"))
        pool = of_models(lake.read(PROMPT_EMBEDDINGS), models)
        left_out = leaked_prompts(pool, vectors, settings.evaluation.leak_similarity)
        variants = variants_of(settings.prediction, settings.evaluation.neighbours)
        images = lake.read(IMAGE_EMBEDDINGS).where(F.col("clip_model") == models.clip_identity)
        named = images.withColumn("image_name", image_name(F.col("image_uri")))
        score = score_batches(index.handle, list(variants.values()), left_out)
        scores = with_truths(named, truths).mapInArrow(score, SCORES).orderBy("image_id").toArrow()
        if scores.num_rows == 0:
            raise MissingInputError(
                "No embedded image has a true prompt: run jobs/predict_prompts.py on the images "
                "that `evaluation.truths` names (they are matched by file name)."
            )
        counts = np.asarray(scores.column("truths"), dtype=np.float64)
        cosines = np.stack(scores.column("cosines").to_numpy())
        sampling = settings.evaluation
        estimates = bootstrap(cosines, counts, sampling.bootstrap_samples, sampling.seed)
        found = dict(zip(variants, estimates, strict=True))
        rows = [
            (name, found[name].mean, found[name].low, found[name].high, scores.num_rows,
             int(counts.sum()), len(left_out), variants[name].k, variants[name].w1,
             variants[name].w2, models.clip_identity, models.sentence_identity, index.version)
            for name in variants
        ]  # fmt: skip
        names = [c.name for c in EVALUATIONS.columns if c.name != "evaluated_at"]
        frame = context.spark.createDataFrame(rows, EVALUATIONS.schema(*names))
        lake.append(EVALUATIONS, frame.withColumn("evaluated_at", F.current_timestamp()))
        message = (
            f"{scores.num_rows:,} images, {int(counts.sum()):,} true prompts, "
            f"{len(left_out):,} prompts too close to a truth left out of the pool"
        )
        return Counts(scores.num_rows, len(rows), message=message, details=_table(found))

    @staticmethod
    def _truths(context: Context, models: Models) -> DataFrame:
        if context.settings.evaluation.truths is None:
            raise MissingInputError(
                "No true prompts are named: set `evaluation.truths` to a COCO captions JSON "
                "(kind: coco) or a CSV of image and prompt (kind: csv)."
            )
        pairs = read_truths(context.spark, context.settings.evaluation.truths)
        images = context.lake.read(IMAGE_EMBEDDINGS)
        images = images.where(F.col("clip_model") == models.clip_identity)
        names = images.select(image_name(F.col("image_uri")).alias("image_name")).distinct()
        pairs = pairs.join(names, "image_name", "left_semi")
        texts = pairs.select("truth").distinct().repartition(1)
        vectors = texts.mapInArrow(embed_truths(models), "truth string, vector array<float>")
        return pairs.join(vectors, "truth")


def _table(found: dict[str, Estimate]) -> TerminalTable:
    table = TerminalTable(title="Cosine similarity to the true prompts", title_justify="left")
    table.add_column("method")
    table.add_column("mean", justify="right")
    table.add_column("95 % interval", justify="right")
    for name, estimate in found.items():
        interval = f"{estimate.low:.3f} to {estimate.high:.3f}"
        table.add_row(name, f"{estimate.mean:.3f}", interval)
    return table
