"""The stages that score predictions against true prompts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F
from rich.console import Group

from promptknn.encoders.hub import check_sentence
from promptknn.evaluation.cosine import Estimate, bootstrap
from promptknn.evaluation.scoring import Scores, score
from promptknn.evaluation.selection import nested_cross_validation, paired_difference
from promptknn.evaluation.show import estimates_table, options_table, paper_table
from promptknn.evaluation.truths import named_truths
from promptknn.evaluation.variants import PAPER, describe, grid, options, table_2, with_configured
from promptknn.extras import check_package
from promptknn.prediction.predicted import prediction_hash
from promptknn.settings import Settings
from promptknn.stage import Context, Counts, Stage
from promptknn.table import Table
from promptknn.tables import (
    EVALUATED_IMAGES,
    EVALUATIONS,
    IMAGE_EMBEDDINGS,
    INDEX_VERSIONS,
    PROMPT_EMBEDDINGS,
)


class Evaluation(Stage):
    """What every kind of evaluation reads and needs: truths, and the model that embeds them."""

    inputs = (IMAGE_EMBEDDINGS, INDEX_VERSIONS, PROMPT_EMBEDDINGS)
    outputs: tuple[Table, ...] = (EVALUATIONS,)

    def check(self, settings: Settings) -> None:
        named_truths(settings.evaluation)
        check_sentence(settings.sentence)


class Evaluate(Evaluation):
    """image_embeddings + index + truths -> evaluations: table 2 and the configured setting.

    evaluated_images gets the configured setting's cosine of each image.
    """

    name = "evaluate"
    outputs = (EVALUATIONS, EVALUATED_IMAGES)

    def run(self, context: Context) -> Counts:
        settings = context.settings
        scores = score(context, with_configured(settings.evaluation, settings.prediction))
        found = record(context, scores)
        record_images(context, scores)
        by_name = dict(zip(scores.variants, found, strict=True))
        return counts(scores, by_name, Group(estimates_table(by_name)))


class EvaluatePaperTable(Evaluation):
    """The paper's table 2 beside its own figures, for both readings of E_pred1."""

    name = "evaluate_paper_table"

    def run(self, context: Context) -> Counts:
        rows = table_2(context.settings.evaluation)
        mapped = {
            f"{name}, clip_mapped": option.in_space("clip_mapped") for name, option in rows.items()
        }
        scores = score(context, {**rows, **mapped})
        found = dict(zip(scores.variants, record(context, scores), strict=True))
        return counts(scores, found, Group(paper_table(list(rows), found)))


class EvaluateGrid(Evaluation):
    """A grid over k and w1 from one search, with a heat map and curves as PNG."""

    name = "evaluate_grid"

    def __init__(self, folder: Path) -> None:
        """Name the folder for the pictures."""
        self._folder = folder

    def check(self, settings: Settings) -> None:
        check_package("matplotlib", "report", "--grid")
        super().check(settings)

    def run(self, context: Context) -> Counts:
        from promptknn.evaluation.plots import plot_grid

        scores = score(context, grid(context.settings.evaluation))
        found = dict(zip(scores.variants, record(context, scores), strict=True))
        pictures = plot_grid(dict(scores.variants), found, self._folder)
        best = dict(sorted(found.items(), key=lambda item: -item[1].mean)[:10])
        where = "Pictures: " + ", ".join(str(picture) for picture in pictures)
        return counts(scores, found, Group(estimates_table(best), where), pictures)


class EvaluateOptions(Evaluation):
    """Options beyond the paper, chosen among by nested cross-validation."""

    name = "evaluate_options"

    def run(self, context: Context) -> Counts:
        sampling = context.settings.evaluation
        scores = score(context, options(context.settings))
        chosen = nested_cross_validation(
            scores.cosines, scores.truths, scores.groups, sampling.folds, sampling.seed
        )
        found = dict(zip(scores.variants, record(context, scores), strict=True))
        names = list(scores.variants)
        baseline = names.index(describe(PAPER))
        gain = paired_difference(
            chosen.held_out,
            scores.cosines[:, baseline],
            scores.truths,
            scores.groups,
            sampling.bootstrap_samples,
            sampling.seed,
        )
        held_out = float(chosen.held_out @ scores.truths / scores.truths.sum())
        notes = (
            f"Best on all images: {names[chosen.chosen]}",
            f"Chosen in the folds: {'; '.join(names[option] for option in chosen.by_fold)}",
            f"Nested cross-validation: {held_out:.4f}, better than the paper's {names[baseline]} "
            f"by {gain.mean:.4f} ({gain.low:.4f} to {gain.high:.4f})",
        )
        table = options_table(found, scores, baseline, sampling)
        return counts(scores, found, Group(table, *notes))


def counts(
    scores: Scores, found: Mapping[str, Estimate], details: Group, pictures: Sequence[Path] = ()
) -> Counts:
    """Say what an evaluation did."""
    figures = {f"cosine {name}": estimate.mean for name, estimate in found.items()}
    return Counts(
        len(scores.cosines),
        len(scores.variants),
        message=scores.sentence,
        details=details,
        figures=figures,
        pictures=tuple(pictures),
    )


def record(context: Context, scores: Scores) -> Sequence[Estimate]:
    """Write an evaluation's rows, and give its estimates in the order of the variants."""
    sampling = context.settings.evaluation
    estimates = bootstrap(
        scores.cosines, scores.truths, scores.groups, sampling.bootstrap_samples, sampling.seed
    )
    rows = [
        (name, found.mean, found.low, found.high, len(scores.cosines), int(scores.truths.sum()),
         scores.left_out, variant.k, variant.w1, variant.w2, scores.models.clip_identity,
         scores.models.sentence_identity, scores.index_version)
        for (name, variant), found in zip(scores.variants.items(), estimates, strict=True)
    ]  # fmt: skip
    names = [column.name for column in EVALUATIONS.columns if column.name != "evaluated_at"]
    frame = context.spark.createDataFrame(rows, EVALUATIONS.schema(*names))
    context.lake.append(EVALUATIONS, frame.withColumn("evaluated_at", F.current_timestamp()))
    return estimates


def record_images(context: Context, scores: Scores) -> None:
    """Write the cosine of each image under the last variant, the configured one."""
    rows = pa.table({
        "image_id": pa.array(list(scores.image_ids), pa.string()),
        "cosine": pa.array(np.ascontiguousarray(scores.cosines[:, -1])),
        "truths": pa.array(scores.truths.astype(np.int32)),
    })  # fmt: skip
    frame = (
        context.spark.createDataFrame(rows)
        .withColumn("settings_hash", F.lit(prediction_hash(context.settings, scores.models)))
        .withColumn("index_version", F.lit(scores.index_version))
        .withColumn("evaluated_at", F.current_timestamp())
    )
    context.lake.append(EVALUATED_IMAGES, frame)
