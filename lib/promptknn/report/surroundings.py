"""What the report says around the images: coverage of the pool, refusals, accuracy, job runs."""

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.evaluation.variants import CONFIGURED, PAPER_ROWS
from promptknn.lake import Lake
from promptknn.masking import shown_settings
from promptknn.report.content import Accuracy, Coverage, Favourite, JobRun, Rejection
from promptknn.report.predictions import Predictions
from promptknn.tables import (
    EVALUATIONS,
    INDEX_VERSIONS,
    JOB_RUNS,
    REJECTED_IMAGES,
    REJECTED_PROMPTS,
)

_FAVOURITES, _REASONS, _METHODS, _RUNS = 10, 50, 12, 30
_LONGEST_EXAMPLE = 120


def coverage(lake: Lake, predictions: Predictions) -> Coverage:
    """Count the distinct prompts among the neighbours, and find the most frequent."""
    neighbours = predictions.rows.select(F.explode("neighbours").alias("n")).select("n.*")
    used = neighbours.groupBy("prompt_id").agg(
        F.any_value("prompt").alias("prompt"),
        F.count(F.lit(1)).alias("images"),
        F.count_if(F.col("rank") == 1).alias("named"),
    )
    counts = used.agg(
        F.count(F.lit(1)).alias("found"),
        F.count_if(F.col("named") > 0).alias("nearest"),
    ).collect()[0]
    order = (F.desc("images"), F.desc("named"), "prompt")
    favourites = used.orderBy(*order).limit(_FAVOURITES).collect()
    return Coverage(
        counts.found,
        counts.nearest,
        _pool(lake, predictions.facts.index_version),
        [Favourite(row.prompt, row.images, row.named) for row in favourites],
    )


def _pool(lake: Lake, index_version: str) -> int | None:
    versions = lake.read_if_there(INDEX_VERSIONS)
    if versions is None:
        return None
    known = versions.where(F.col("index_version") == index_version).select("prompts").limit(1)
    rows = known.collect()
    return int(rows[0].prompts) if rows else None


def rejections(lake: Lake) -> list[Rejection]:
    """Count refused prompts and images by reason, with an example each."""
    tables = (
        (REJECTED_PROMPTS, "prompt", F.col("source"), F.col("text")),
        (REJECTED_IMAGES, "image", F.lit(""), F.col("image_uri")),
    )
    parts: list[DataFrame] = []
    for table, kind, source, item in tables:
        frame = lake.read_if_there(table)
        if frame is not None:
            example = F.substring(F.coalesce(item, F.lit("")), 1, _LONGEST_EXAMPLE)
            parts.append(
                frame.groupBy(source.alias("source"), "reason")
                .agg(F.count(F.lit(1)).alias("items"), F.max(example).alias("example"))
                .withColumn("kind", F.lit(kind))
            )
    if not parts:
        return []
    every = reduce(DataFrame.unionByName, parts).orderBy(F.desc("items"), "kind", "reason")
    return [
        Rejection(row.kind, row.source, row.reason, row["items"], row.example)
        for row in every.limit(_REASONS).collect()
    ]


def accuracy(lake: Lake, predictions: Predictions) -> list[Accuracy]:
    """Give the latest mean cosine to the truth for the models of the predictions.

    That of the settings, first, and those of the paper's table 2. Of a grid and of options the best
    would be shown, which owe some of their lead to chance.
    """
    evaluations = lake.read_if_there(EVALUATIONS)
    if evaluations is None:
        return []
    facts = predictions.facts
    configured = F.col("variant") == CONFIGURED
    of_models = evaluations.where(
        (configured | F.col("variant").startswith(PAPER_ROWS))
        & (F.col("clip_model") == facts.clip_model)
        & (F.col("sentence_model") == facts.sentence_model)
    )
    figures = F.struct("evaluated_at", "mean_cosine", "interval_low", "interval_high", "images")
    latest = of_models.groupBy("variant").agg(F.max(figures).alias("last"))
    order = (F.desc(configured), F.desc("last.mean_cosine"), "variant")
    rows = latest.orderBy(*order).limit(_METHODS).collect()
    return [
        Accuracy(
            row.variant,
            row.last.mean_cosine,
            row.last.interval_low,
            row.last.interval_high,
            row.last["images"],
        )
        for row in rows
    ]


def job_runs(lake: Lake) -> list[JobRun]:
    """Give the latest runs of stages, latest first."""
    runs = lake.read_if_there(JOB_RUNS)
    if runs is None:
        return []
    text = F.coalesce("error", "message", F.lit("")).alias("text")
    names = ["started_at", "stage", "status", "rows_in", "rows_out", "rows_rejected", "seconds"]
    latest = runs.select(*names, text).orderBy(F.desc("started_at"), "stage").limit(_RUNS)
    return [JobRun(*row) for row in latest.collect()]


def settings_of(lake: Lake, run_id: str) -> str:
    """Give the settings of a run, secrets masked; empty where its row is gone."""
    runs = lake.read_if_there(JOB_RUNS)
    if runs is None:
        return ""
    rows = runs.where(F.col("run_id") == run_id).select("settings").limit(1).collect()
    return shown_settings(rows[0].settings) if rows else ""
