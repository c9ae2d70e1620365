"""What the report says of predictions: the latest settings, the images shown, distributions."""

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from promptknn.lake import Lake
from promptknn.prediction.latest import latest_prediction
from promptknn.prediction.of_files import without_replaced
from promptknn.report.bins import round_bins
from promptknn.report.content import Distribution, Facts, Neighbour, Picture
from promptknn.tables import EVALUATED_IMAGES, IMAGE_EMBEDDINGS, PREDICTIONS, REJECTED_IMAGES

_NEIGHBOURS_SHOWN = 10
# What is measured of each image: its title, and what it means.
_FIGURES = {
    "agreement": ("Agreement", "1 where all neighbours say the same"),
    "mean_similarity": ("Similarity", "mean of the neighbours' similarities"),
    "confidence": ("Confidence", "expected cosine to the true prompt"),
    "cosine": (
        "Cosine to the truth",
        "of E_pred, mean over an image's true prompts; evaluated without prompts too close to one",
    ),
}


@dataclass(frozen=True)
class Predictions:
    """Predictions of one settings hash, with the cosine to the truth where it was evaluated.

    Attributes:
        rows: of the table predictions, and `cosine`.
        facts: what holds for all of them.
        run_id: the run that wrote the latest.
        summary: how many images there are and how many of them were evaluated; minimum, maximum
            and mean of each figure.
    """

    rows: DataFrame
    facts: Facts
    run_id: str
    summary: Row

    @property
    def evaluated(self) -> int:
        """How many images have a cosine to their truth."""
        return int(self.summary["evaluated"])


def latest_predictions(lake: Lake) -> Predictions:
    """Find the predictions of the settings that were used last, a file's by its last content.

    Raises:
        MissingInputError: there are none.
    """
    last = latest_prediction(lake)
    of_settings = lake.read(PREDICTIONS).where(F.col("settings_hash") == last.settings_hash)
    embedded, rejected = map(lake.read_or_empty, (IMAGE_EMBEDDINGS, REJECTED_IMAGES))
    current = without_replaced(of_settings, embedded, rejected)
    rows = _with_cosine(lake, current)
    figures = [
        kind(name).alias(f"{name}_{kind.__name__}")
        for name in _FIGURES
        for kind in (F.min, F.max, F.mean)
    ]
    counts = [F.count(F.lit(1)).alias("images"), F.count("cosine").alias("evaluated")]
    summary = rows.agg(*counts, *figures).collect()[0]
    facts = Facts(
        lake.location, last.settings_hash, last.clip_model, last.sentence_model,
        last.index_version, last.k, last.w1, last.w2, summary.images, last.predicted_at,
    )  # fmt: skip
    return Predictions(rows, facts, last.run_id, summary)


def _with_cosine(lake: Lake, predictions: DataFrame) -> DataFrame:
    evaluated = lake.read_if_there(EVALUATED_IMAGES)
    if evaluated is None:
        return predictions.withColumn("cosine", F.lit(None).cast("double"))
    # With the index too: a cosine by another one is not that of these neighbours.
    key = ["image_id", "settings_hash", "index_version"]
    latest = evaluated.groupBy(*key).agg(F.max_by("cosine", "evaluated_at").alias("cosine"))
    return predictions.join(latest, key, "left")


def distributions(predictions: Predictions) -> list[Distribution]:
    """Count images by each figure, in one pass; a figure that no image has is left out."""
    summary = predictions.summary
    bins = {
        name: round_bins(summary[f"{name}_min"], summary[f"{name}_max"])
        for name in _FIGURES
        if summary[f"{name}_min"] is not None
    }
    numbered = [
        F.struct(F.lit(name).alias("figure"), _bin(F.col(name), own.first, own.step, own.count))
        for name, own in bins.items()
    ]
    one = predictions.rows.select(F.explode(F.array(*numbered)).alias("one")).select("one.*")
    counts: dict[str, dict[int, int]] = {name: {} for name in bins}
    for row in one.where("bin IS NOT NULL").groupBy("figure", "bin").count().collect():
        counts[row.figure][row.bin] = row["count"]
    return [
        Distribution(
            *_FIGURES[name],
            own.filled(counts[name]),
            summary[f"{name}_mean"],
            summary[f"{name}_min"],
            summary[f"{name}_max"],
        )
        for name, own in bins.items()
    ]


def _bin(value: Column, first: float, step: float, count: int) -> Column:
    number = F.floor((value.cast("double") - F.lit(first)) / F.lit(step))
    # The highest value lies on the last edge, and a rounded one may lie below the first.
    within = F.greatest(F.least(number, F.lit(count - 1)), F.lit(0))
    return F.when(value.isNotNull(), within.cast("int")).alias("bin")


def choose(predictions: Predictions, at_most: int) -> tuple[list[Picture], str]:
    """Choose the images that are shown: all, or as many of the best as of the worst.

    Best and worst are by the cosine to the truth where there is one, the rest by agreement.

    Returns:
        The images, sorted by name and without a thumbnail, and which they are in words.
    """
    images, evaluated = predictions.facts.images, predictions.evaluated
    shown = predictions.rows.select(
        "image_id", "image_uri", "predicted_prompt", "mean_similarity", "agreement", "confidence",
        "cosine", F.slice("neighbours", 1, _NEIGHBOURS_SHOWN).alias("neighbours"),
    )  # fmt: skip
    if images <= at_most:
        rows = shown.limit(at_most).collect()
        return _pictures(rows), f"All {images:,} images"
    rows = _best_and_worst(shown.where("cosine IS NOT NULL"), "cosine", min(evaluated, at_most))
    rest = shown.where("cosine IS NULL")
    rows += _best_and_worst(rest, "agreement", at_most - len(rows))
    chosen = f"{len(rows):,} of {images:,} images: "
    if evaluated >= at_most:
        chosen += "those of the highest and lowest cosine to the truth"
    elif evaluated:
        chosen += (
            f"those with a cosine to the truth ({evaluated:,}), and of the others those of the "
            f"highest and lowest agreement"
        )
    else:
        chosen += "those of the highest and lowest agreement"
    return _pictures(rows), chosen


def _best_and_worst(rows: DataFrame, figure: str, room: int) -> list[Row]:
    if not room:
        return []
    half = room // 2
    best = rows.orderBy(F.desc(figure), "image_id").limit(room - half).collect()
    worst = rows.orderBy(F.asc(figure), "image_id").limit(half).collect()
    return list({row.image_id: row for row in [*best, *worst]}.values())


def _pictures(rows: list[Row]) -> list[Picture]:
    pictures = [
        Picture(
            row.image_uri,
            row.predicted_prompt,
            [Neighbour(found.rank, found.prompt, found.similarity) for found in row.neighbours],
            row.mean_similarity,
            row.agreement,
            row.confidence,
            row.cosine,
        )
        for row in rows
    ]
    return sorted(pictures, key=lambda picture: (picture.name, picture.uri))
