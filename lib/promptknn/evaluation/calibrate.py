"""The stage that calibrates confidence on images with true prompts, and fills it in."""

from pathlib import Path

import numpy as np
from pyspark.sql import functions as F
from rich.console import Group

from promptknn.errors import MissingInputError
from promptknn.evaluation.calibration import fit, held_out
from promptknn.evaluation.cosine import Groups
from promptknn.evaluation.evaluate import Evaluation
from promptknn.evaluation.scoring import Scores, score
from promptknn.evaluation.variants import CONFIGURED
from promptknn.extras import check_package
from promptknn.prediction.predicted import prediction_hash
from promptknn.settings import Settings
from promptknn.stage import Context, Counts
from promptknn.tables import CALIBRATIONS, PREDICTIONS

# Three numbers are fitted: to fewer images they would fit by chance.
FEWEST_IMAGES = 20


class CalibrateConfidence(Evaluation):
    """image_embeddings + index + truths -> calibrations; predictions get their confidence."""

    name = "calibrate_confidence"
    outputs = (CALIBRATIONS, PREDICTIONS)

    def __init__(self, folder: Path) -> None:
        """Name the folder for the reliability plot."""
        self._folder = folder

    def check(self, settings: Settings) -> None:
        check_package("matplotlib", "report", "--calibrate")
        super().check(settings)

    def run(self, context: Context) -> Counts:
        from promptknn.evaluation.plots import plot_reliability

        settings = context.settings
        scores = score(context, {CONFIGURED: settings.prediction.combination})
        check_unlike_images(scores.groups)
        cosines = scores.cosines[:, 0]
        expected = held_out(
            scores.signals,
            cosines,
            scores.truths,
            scores.groups,
            settings.evaluation.folds,
            settings.evaluation.seed,
        )
        error = float(np.average(np.abs(expected - cosines), weights=scores.truths))
        correlation = float(np.corrcoef(expected, cosines)[0, 1])
        filled = self._write(context, scores, error, correlation)
        picture = plot_reliability(expected, cosines, self._folder)
        note = (
            f"Expected and true cosine, each image held out of its fit: correlation "
            f"{correlation:.3f}, mean absolute error {error:.3f}. Picture: {picture}"
        )
        message = f"{scores.sentence}; {filled:,} predictions got a confidence"
        return Counts(
            len(cosines),
            filled,
            message=message,
            details=Group(note),
            figures={"correlation": correlation, "mean absolute error": error},
            pictures=(picture,),
        )

    @staticmethod
    def _write(context: Context, scores: Scores, error: float, correlation: float) -> int:
        found = fit(scores.signals, scores.cosines[:, 0], scores.truths)
        hash_ = prediction_hash(context.settings, scores.models)
        row = (hash_, found.intercept, found.similarity, found.agreement, error, correlation,
               len(scores.cosines), scores.index_version)  # fmt: skip
        names = [c.name for c in CALIBRATIONS.columns if c.name != "calibrated_at"]
        frame = context.spark.createDataFrame([row], CALIBRATIONS.schema(*names))
        frame = frame.withColumn("calibrated_at", F.current_timestamp())
        context.lake.append(CALIBRATIONS, frame)
        confidence = found.sql("mean_similarity", "agreement")
        changed = context.lake.sql(
            f"UPDATE {{0}} SET confidence = {confidence} WHERE settings_hash = '{hash_}'",
            PREDICTIONS,
        )
        return int(changed.collect()[0][0])


def check_unlike_images(groups: Groups) -> None:
    """Check that there are images enough to calibrate on, those of near-duplicate truths being one.

    Raises:
        MissingInputError: there are too few.
    """
    unlike = len(np.unique(groups))
    if unlike < FEWEST_IMAGES:
        raise MissingInputError(
            f"Confidence cannot be calibrated on {unlike:,} images of unlike truths: name "
            f"{FEWEST_IMAGES} or more in `evaluation.truths`."
        )
