"""A report as the stage would gather it, without tables."""

from dataclasses import replace
from datetime import UTC, datetime

from promptknn.report.bins import round_bins
from promptknn.report.content import (
    Coverage,
    Distribution,
    Facts,
    Favourite,
    JobRun,
    Neighbour,
    Picture,
    Rejection,
    Report,
)

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
HOSTILE = "</script><script>alert('x')</script>\"><img src=http://evil.example/a onerror=alert(1)>"
# What an image is when it is one pixel.
PIXEL = "data:image/jpeg;base64,AAAA"


def picture(name: str, agreement: float, cosine: float | None = None) -> Picture:
    neighbours = [Neighbour(rank, f"prompt {rank}", 0.8 - 0.1 * rank) for rank in range(1, 7)]
    return Picture(
        f"/pictures/{name}", f"a {name}", neighbours, 0.5, agreement, None, cosine, (), PIXEL
    )


def report(*pictures: Picture) -> Report:
    shown = pictures or (picture("cat.png", 0.9), picture("dog.png", 0.2))
    bins = round_bins(0.2, 0.9)
    facts = Facts(
        "/lake", "hash", "clip", "words", "index", 100, 1.0, 0.0, images=len(shown),
        predicted_at=NOON,
    )  # fmt: skip
    return Report(
        facts,
        shown,
        "All images",
        [Distribution("Agreement", "what it is", bins.filled({0: 1, 13: 1}), 0.55, 0.2, 0.9)],
        Coverage(6, 2, 400, [Favourite("prompt 1", 2, 1)]),
        [],
        [Rejection("prompt", "demo", "too_short", 3, "a")],
        [JobRun(NOON, "embed_images", "succeeded", 2, 2, 0, 1.5, "2 images embedded")],
        '{"lake": "/lake"}',
    )


def hostile_report() -> Report:
    """Every text that comes from data is an attack."""
    found = Neighbour(1, HOSTILE, 0.5)
    shown = replace(
        picture(HOSTILE, 0.5), prompt=HOSTILE, neighbours=[found] * 6, truths=(HOSTILE,)
    )
    whole = report(shown)
    return replace(
        whole,
        facts=replace(whole.facts, lake=HOSTILE, clip_model=HOSTILE, settings_hash=HOSTILE),
        coverage=Coverage(1, 1, None, [Favourite(HOSTILE, 1, 1)]),
        rejections=[Rejection("image", HOSTILE, HOSTILE, 1, HOSTILE)],
        runs=[replace(whole.runs[0], stage=HOSTILE, message=HOSTILE)],
        settings=HOSTILE,
    )
