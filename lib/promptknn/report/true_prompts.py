"""The true prompts of the images on the page, where the settings name them."""

from collections.abc import Sequence
from dataclasses import replace

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promptknn.evaluation.truths import image_name, read_truths
from promptknn.report.content import Picture
from promptknn.settings import EvaluationSettings

_TRUTHS_SHOWN = 5


def with_truths(
    spark: SparkSession, settings: EvaluationSettings, pictures: Sequence[Picture]
) -> list[Picture]:
    """Put the first true prompts beside each picture.

    Raises:
        MissingInputError: the settings name a file of true prompts that is not there.
    """
    if settings.truths is None:
        return list(pictures)
    uris = spark.createDataFrame([(picture.uri,) for picture in pictures], "uri string")
    named = uris.select("uri", image_name(F.col("uri")).alias("image_name"))
    first = F.slice(F.sort_array(F.collect_set("truth")), 1, _TRUTHS_SHOWN)
    pairs = read_truths(spark, settings.truths).join(F.broadcast(named), "image_name")
    found = pairs.groupBy("uri").agg(first.alias("truths")).collect()
    truths = {row.uri: tuple(row.truths) for row in found}
    return [replace(picture, truths=truths.get(picture.uri, ())) for picture in pictures]
