"""True prompts of images, from COCO captions or a CSV, matched by the image's file name."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from promptknn.errors import MissingInputError, SettingsError
from promptknn.settings import CocoTruths, CsvTruths, EvaluationSettings
from promptknn.sources.coco import read_captions
from promptknn.sources.reading import load
from promptknn.sources.source import column

_EXTENSION = r"(?i)\.(jpe?g|png|webp|gif|bmp|tiff?)$"


def named_truths(settings: EvaluationSettings) -> CocoTruths | CsvTruths:
    """Give the settings of the true prompts.

    Raises:
        MissingInputError: none are named.
    """
    if settings.truths is None:
        raise MissingInputError(
            "No true prompts are named: set `evaluation.truths` to a COCO captions JSON "
            "(kind: coco) or a CSV of image and prompt (kind: csv)."
        )
    return settings.truths


def read_truths(spark: SparkSession, settings: CocoTruths | CsvTruths) -> DataFrame:
    """Read true prompts.

    Returns:
        image_name (file name without folder and extension) and truth, one row a pair.

    Raises:
        MissingInputError: the file or one of its columns is not there.
    """
    label = "evaluation.truths"
    if isinstance(settings, CocoTruths):
        pairs = read_captions(spark, settings.path, label)
        image, prompt = F.col("file_name"), F.col("caption")
    else:
        options = {"header": "true", "multiLine": "true", "escape": '"'}
        pairs = load(spark.read, "csv", settings.path, label, options)
        image = F.col(column(pairs, settings.image_column, settings.path, f"{label}.image_column"))
        prompt = F.col(
            column(pairs, settings.prompt_column, settings.path, f"{label}.prompt_column")
        )
    text = F.trim(F.regexp_replace(prompt, r"\s+", " "))
    truths = pairs.select(image_name(image).alias("image_name"), text.alias("truth"))
    return truths.where("image_name IS NOT NULL AND length(truth) > 0").distinct()


def image_name(uri: Column) -> Column:
    """Give the file name in a URI, without an image's extension."""
    return F.regexp_replace(F.element_at(F.split(uri, "/"), -1), _EXTENSION, "")


def check_names(names: Sequence[str], uris: Sequence[str]) -> None:
    """Check that no two evaluated images share the name by which truths know them.

    Args:
        names: of the images.
        uris: where they were read, in the same order.

    Raises:
        SettingsError: two do.
    """
    first: dict[str, str] = {}
    for name, uri in zip(names, uris, strict=True):
        other = first.setdefault(name, uri)
        if other != uri:
            raise SettingsError(
                f"Truths name images by file name, but {len(names):,} images have "
                f"{len(set(names)):,} names, {other} and {uri} for instance: give `images.paths` "
                f"no two files of one name, and `lake` a new folder, for this one keeps both."
            )
