"""Comparing predictions that must be the same on every machine."""

import numpy as np
from pyspark.sql import DataFrame, Row

SIMILARITY_TOLERANCE, VECTOR_TOLERANCE = 1e-6, 1e-5


def by_image(predictions: DataFrame) -> dict[str, Row]:
    """Give rows of predictions by their image_id."""
    return {row.image_id: row for row in predictions.collect()}


def assert_same_predictions(found: DataFrame, expected: DataFrame) -> None:
    """Assert equal E_pred to 1e-5, and equal neighbours but where similarities tie (1e-6)."""
    ours, theirs = by_image(found), by_image(expected)
    assert ours.keys() == theirs.keys()
    assert ours
    for image, row in ours.items():
        other = theirs[image]
        np.testing.assert_allclose(row.embedding, other.embedding, rtol=0, atol=VECTOR_TOLERANCE)
        assert len(row.neighbours) == len(other.neighbours)
        assert row.k == other.k
        for mine, yours in zip(row.neighbours, other.neighbours, strict=True):
            assert abs(mine.similarity - yours.similarity) < SIMILARITY_TOLERANCE
            assert mine.rank == yours.rank
        _assert_same_ids(row, other)


def _assert_same_ids(row: Row, other: Row) -> None:
    theirs = {n.prompt_id: n.similarity for n in other.neighbours}
    last = other.neighbours[-1].similarity
    for mine, yours in zip(row.neighbours, other.neighbours, strict=True):
        if mine.prompt_id != yours.prompt_id:
            # The list is cut somewhere: beyond its end a prompt may tie with the last one.
            similarity = theirs.get(mine.prompt_id, last)
            assert abs(similarity - mine.similarity) < SIMILARITY_TOLERANCE, (mine, yours)
