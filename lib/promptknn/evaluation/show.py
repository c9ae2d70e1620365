"""Evaluations as terminal tables."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from promptknn.evaluation.cosine import Estimate
from promptknn.evaluation.scoring import Scores
from promptknn.evaluation.selection import paired_difference
from promptknn.settings import EvaluationSettings

# Paper, table 2.
_PUBLISHED = {"Clip": 0.547, "Clip + KNN (10)": 0.601, "Clip + KNN (100)": 0.612}
_OPTIONS_SHOWN = 20


def estimates_table(found: Mapping[str, Estimate]) -> Table:
    """Show a mean and an interval a row."""
    table = Table(title="Cosine similarity to the true prompts", title_justify="left")
    table.add_column("method")
    table.add_column("mean", justify="right")
    table.add_column("95 % interval", justify="right")
    for name, estimate in found.items():
        table.add_row(name, f"{estimate.mean:.3f}", _interval(estimate))
    return table


def paper_table(rows: Sequence[str], found: Mapping[str, Estimate]) -> Table:
    """Show table 2: the paper's own figures, and ours for both readings of E_pred1.

    Args:
        rows: the table's methods.
        found: an estimate for each method, and for each with `, clip_mapped` behind it.
    """
    table = Table(title="Table 2 of the paper", title_justify="left")
    for heading in ("method", "paper", "sentence space", "95 %", "clip_mapped", "95 %"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for row in rows:
        ours, mapped = found[row], found[f"{row}, clip_mapped"]
        published = _PUBLISHED.get(row)
        table.add_row(
            row,
            f"{published:.3f}" if published else "",
            f"{ours.mean:.3f}",
            _interval(ours),
            f"{mapped.mean:.3f}",
            _interval(mapped),
        )
    return table


def options_table(
    found: Mapping[str, Estimate], scores: Scores, baseline: int, sampling: EvaluationSettings
) -> Table:
    """Show the best options, and how much each is better than the paper's on the same images.

    Args:
        found: an estimate for each option.
        scores: cosines of each image and option.
        baseline: the paper's option.
        sampling: bootstrap samples and seed.
    """
    table = Table(title=f"The best {_OPTIONS_SHOWN} options and the paper's", title_justify="left")
    for heading in ("option", "mean", "95 %", "better than the paper's by", "95 %"):
        table.add_column(heading, justify="left" if heading == "option" else "right")
    names = list(found)
    order = sorted(range(len(names)), key=lambda place: -found[names[place]].mean)
    for place in [*order[:_OPTIONS_SHOWN], baseline]:
        estimate = found[names[place]]
        gain = paired_difference(
            scores.cosines[:, place],
            scores.cosines[:, baseline],
            scores.truths,
            scores.groups,
            sampling.bootstrap_samples,
            sampling.seed,
        )
        table.add_row(
            names[place],
            f"{estimate.mean:.4f}",
            _interval(estimate),
            f"{gain.mean:+.4f}",
            f"{gain.low:+.4f} to {gain.high:+.4f}",
        )
    return table


def _interval(estimate: Estimate) -> str:
    return f"{estimate.low:.3f} to {estimate.high:.3f}"
