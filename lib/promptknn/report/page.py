"""The report as HTML: one page, with nothing to load and no text taken for markup."""

import base64
import hashlib
import math
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from promptknn.report.content import Distribution, Report

_TEMPLATE = "template"
# The histograms' drawing, in units of its view box.
_WIDTH, _HEIGHT, _LEFT, _TOP, _BELOW = 320.0, 150.0, 4.0, 14.0, 18.0


def page(report: Report) -> str:
    """Write the page."""
    folder = files("promptknn.report") / _TEMPLATE
    style = (folder / "page.css").read_text(encoding="utf-8")
    script = (folder / "page.js").read_text(encoding="utf-8")
    # Every text of the tables is hostile until escaped, in attributes too.
    environment = Environment(
        loader=PackageLoader("promptknn.report", _TEMPLATE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": figure, "whole": whole, "short": short}
    return environment.get_template("page.html").render(
        report=report,
        style=Markup(style),  # noqa: S704 - a file of this package
        script=Markup(script),  # noqa: S704 - a file of this package
        policy=policy(style, script),
        scale=scale(report),
        bar=bar_width,
        columns=columns,
        best_and_worst=best_and_worst(report),
    )


def policy(style: str, script: str) -> str:
    """Allow this page's own style and script, pictures within it, and nothing else."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_sha256(style)}'; "
        f"script-src '{_sha256(script)}'; base-uri 'none'; form-action 'none'"
    )


def _sha256(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")


def scale(report: Report) -> float:
    """Give the similarity at which a bar is full: the page's highest, rounded up to a tenth."""
    every = [found.similarity for picture in report.pictures for found in picture.neighbours]
    return max(math.ceil(max(every, default=1.0) * 10 - 1e-6) / 10, 0.1)


def bar_width(similarity: float, full: float) -> str:
    """Give a bar's width in percent; a negative similarity has none."""
    return f"{100 * min(max(similarity / full, 0.0), 1.0):.1f}"


def columns(distribution: Distribution) -> list[dict[str, str]]:
    """Give the columns of a histogram as x, y, width and height, and what each says."""
    bins = distribution.bins
    highest = max((one.count for one in bins), default=0) or 1
    width = (_WIDTH - 2 * _LEFT) / len(bins)
    room = _HEIGHT - _TOP - _BELOW
    return [
        {
            "x": f"{_LEFT + number * width + 0.75:.2f}",
            "y": f"{_TOP + room * (1 - one.count / highest):.2f}",
            "width": f"{max(width - 1.5, 0.5):.2f}",
            "height": f"{room * one.count / highest:.2f}",
            "says": f"{one.low:g} to {one.high:g}: {one.count:,}",
        }
        for number, one in enumerate(bins)
    ]


def best_and_worst(report: Report, most: int = 5) -> dict[str, list[int]]:
    """Number the pictures nearest to their truth and farthest from it, or surest and least sure.

    Returns:
        Places in report.pictures by heading; at most half of the pictures under each.
    """
    judged = [n for n, picture in enumerate(report.pictures) if picture.cosine is not None]
    by_truth = bool(judged)
    if by_truth:
        judged.sort(key=lambda n: -(report.pictures[n].cosine or 0.0))
        best, worst = "Nearest to the truth", "Farthest from the truth"
    else:
        judged = sorted(range(len(report.pictures)), key=lambda n: -report.pictures[n].agreement)
        best, worst = "Neighbours agree most", "Neighbours agree least"
    some = min(most, (len(judged) + 1) // 2)
    return {best: judged[:some], worst: judged[::-1][:some]}


def figure(value: float) -> str:
    """Write a figure with three digits."""
    return f"{value:.3f}"


def whole(value: int) -> str:
    """Write a count with its thousands apart."""
    return f"{value:,}"


def short(value: float) -> str:
    """Write a number of seconds or an edge without needless digits."""
    return f"{value:,.1f}" if abs(value) >= 1 else f"{value:.3g}"
