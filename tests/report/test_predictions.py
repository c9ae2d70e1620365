"""Which predictions the report shows, and which cosine stands beside them."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime

from promptknn.lake import Lake
from promptknn.report.predictions import choose, latest_predictions
from promptknn.tables import EVALUATED_IMAGES, IMAGE_EMBEDDINGS, PREDICTIONS
from tests.rows import add_rows


def _id(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def _on(day: int) -> datetime:
    return datetime(2026, 1, day, tzinfo=UTC)


def _add_images(lake: Lake, files: Iterable[tuple[str, str]]) -> None:
    """Add content and URI of images, embedded a day apart, and predict for them."""
    embedded, predicted = [], []
    for number, (content, uri) in enumerate(files):
        both = {"image_id": _id(content), "image_uri": uri}
        embedded.append({**both, "embedded_at": _on(number + 1)})
        predicted.append(
            {
                **both,
                "neighbours": [(1, "a", "a prompt", 0.5)],
                "agreement": number / 100,
                "index_version": "new",
            }
        )
    add_rows(lake, IMAGE_EMBEDDINGS, embedded)
    add_rows(lake, PREDICTIONS, predicted)


def _add_cosines(lake: Lake, cosines: Iterable[tuple[str, float, str, int]]) -> None:
    """Add the content, the cosine, the index version and the day of evaluations."""
    rows = [
        {
            "image_id": _id(content),
            "cosine": cosine,
            "index_version": index,
            "settings_hash": "x",
            "evaluated_at": _on(day),
        }
        for content, cosine, index, day in cosines
    ]
    add_rows(lake, EVALUATED_IMAGES, rows)


def test_an_overwritten_file_is_shown_as_it_was_embedded_last(lake: Lake) -> None:
    _add_images(lake, [("before", "/a/cat.png"), ("dog", "/a/dog.png"), ("after", "/a/cat.png")])
    found = latest_predictions(lake)
    assert {row.image_id for row in found.rows.collect()} == {_id("dog"), _id("after")}
    assert found.facts.images == 2


def test_a_cosine_of_another_index_is_not_that_of_these_neighbours(lake: Lake) -> None:
    _add_images(lake, [("cat", "/a/cat.png"), ("dog", "/a/dog.png")])
    cosines = [("cat", 0.5, "new", 1), ("cat", 0.6, "new", 2), ("cat", 0.9, "old", 3)]
    _add_cosines(lake, [*cosines, ("dog", 0.9, "old", 3)])
    found = {row.image_id: row.cosine for row in latest_predictions(lake).rows.collect()}
    assert found == {_id("cat"): 0.6, _id("dog"): None}


def test_images_with_a_cosine_come_first_and_the_rest_by_agreement(lake: Lake) -> None:
    _add_images(lake, [(name, f"/a/{name}") for name in "0123456789"])
    cosines = (("0", 0.1), ("1", 0.2), ("8", 0.3), ("9", 0.4))
    _add_cosines(lake, [(*each, "new", 1) for each in cosines])
    predictions = latest_predictions(lake)
    ends = "those of the highest and lowest"
    for at_most, shown, words in (
        (2, "09", f"2 of 10 images: {ends} cosine to the truth"),
        (3, "089", f"3 of 10 images: {ends} cosine to the truth"),
        (
            6,
            "012789",
            "6 of 10 images: those with a cosine to the truth (4), and of the others "
            f"{ends} agreement",
        ),
        (10, "0123456789", "All 10 images"),
    ):
        pictures, chosen = choose(predictions, at_most)
        assert ("".join(picture.name for picture in pictures), chosen) == (shown, words)
