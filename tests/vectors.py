"""Comparing predictions that must be the same on every machine."""

from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TypedDict

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

SIMILARITY_TOLERANCE, VECTOR_TOLERANCE = 1e-6, 1e-5


class Neighbour(TypedDict):
    """A neighbour, as the table holds it."""

    rank: int
    prompt_id: str
    prompt: str
    similarity: float


@dataclass
class Disagreement:
    """What predictions have that others have not.

    Attributes:
        images: that one side alone has.
        ids: neighbours that are others, and not by a tie of similarities.
        tied: neighbours that are others by a tie.
        similarities: the largest difference of two similarities of one rank.
        vectors: the largest difference of two elements of E_pred.
    """

    images: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    tied: list[str] = field(default_factory=list)
    similarities: float = 0.0
    vectors: float = 0.0

    def __bool__(self) -> bool:
        return bool(
            self.images
            or self.ids
            or self.similarities >= SIMILARITY_TOLERANCE
            or self.vectors > VECTOR_TOLERANCE
        )


def disagreement(found: pa.Table, expected: pa.Table) -> Disagreement:
    """Compare two tables of predictions by their image_id."""
    ours, theirs = (
        {row["image_id"]: row for row in each.to_pylist()} for each in (found, expected)
    )
    answer = Disagreement(sorted(ours.keys() ^ theirs.keys()))
    for image in ours.keys() & theirs.keys():
        mine, yours = ours[image], theirs[image]
        apart = np.abs(np.subtract(mine["embedding"], yours["embedding"])).max()
        answer.vectors = max(answer.vectors, float(apart))
        _compare(image, mine["neighbours"], yours["neighbours"], answer)
    return answer


def assert_same_predictions(found: DataFrame, expected: DataFrame) -> None:
    """Assert equal E_pred to 1e-5, and equal neighbours but where similarities tie (1e-6)."""
    ours, theirs = found.toArrow(), expected.toArrow()
    assert ours.num_rows
    assert set(ours["k"].to_pylist()) == set(theirs["k"].to_pylist())
    answer = disagreement(ours, theirs)
    assert not answer, answer


def _compare(
    image: str, ours: list[Neighbour], theirs: list[Neighbour], answer: Disagreement
) -> None:
    known = {each["prompt_id"]: each["similarity"] for each in theirs}
    for mine, yours in zip_longest(ours, theirs):
        if mine is None or yours is None or mine["rank"] != yours["rank"]:
            answer.ids.append(f"{image}: {mine} for {yours}")
            continue
        apart = abs(mine["similarity"] - yours["similarity"])
        answer.similarities = max(answer.similarities, apart)
        if mine["prompt_id"] == yours["prompt_id"]:
            continue
        # The list is cut somewhere: beyond its end a prompt may tie with the last one.
        there = known.get(mine["prompt_id"], theirs[-1]["similarity"])
        tie = max(apart, abs(mine["similarity"] - there)) < SIMILARITY_TOLERANCE
        (answer.tied if tie else answer.ids).append(f"{image}: {mine} for {yours}")
