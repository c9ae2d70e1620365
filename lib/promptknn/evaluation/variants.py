"""What is evaluated: the paper's rows, a grid over its numbers, and options beyond the paper."""

from itertools import product

from promptknn.encoders.settings import PACKAGE_DEFAULT
from promptknn.prediction.combination import Combination
from promptknn.settings import EvaluationSettings, PredictionSettings, Settings

PAPER = Combination()
CONFIGURED = "configured"
# What the name of every row of table 2 begins with, and of no grid or option.
PAPER_ROWS = "Clip"
_WEIGHTED: tuple[dict[str, object], ...] = (
    {},
    {"weighting": "power", "power": 2.0},
    {"weighting": "power", "power": 4.0},
    {"weighting": "power", "power": 6.0},
    {"weighting": "softmax", "temperature": 0.05},
    {"weighting": "softmax", "temperature": 0.1},
    {"weighting": "softmax", "temperature": 0.2},
)
_SHARES = ((1.0, 0.0), (0.8, 0.2), (0.6, 0.4))
_NEIGHBOURS = (20, 50, 100, 200)
_BEST_WEIGHTED: tuple[dict[str, object], ...] = ({}, {"weighting": "softmax", "temperature": 0.1})
_CAPTIONS = (1, 3)
_RESCORING = (0.25, 0.5, 0.75)


def table_2(evaluation: EvaluationSettings) -> dict[str, Combination]:
    """Name the rows of the paper's table 2."""
    rows = {PAPER_ROWS: Combination(k=1, w1=0.0, w2=1.0)}
    rows.update({f"{PAPER_ROWS} + KNN ({k})": Combination(k=k) for k in evaluation.neighbours})
    return rows


def with_configured(
    evaluation: EvaluationSettings, prediction: PredictionSettings
) -> dict[str, Combination]:
    """Name the rows of table 2, and the combination of the settings last."""
    return {**table_2(evaluation), CONFIGURED: prediction.combination}


def grid(evaluation: EvaluationSettings) -> dict[str, Combination]:
    """Name a grid over k and w1 (w2 = 1 - w1): the paper's "grid search"."""
    return {
        f"k={k}, w1={w1:g}": Combination(k=k, w1=w1, w2=round(1 - w1, 6))
        for k, w1 in product(evaluation.grid_neighbours, evaluation.grid_w1)
    }


def options(settings: Settings) -> dict[str, Combination]:
    """Name options beyond the paper: weighted neighbours, other shares, normalised parts.

    Where the settings allow it also predicted captions (of `package-default`), and a second model
    that scores neighbours again.
    """
    found: dict[str, Combination] = {}
    for k, weighted, (w1, w2), normalised in product(
        _NEIGHBOURS, _WEIGHTED, _SHARES, (False, True)
    ):
        if w2 == 0 and normalised:
            continue  # one part alone has the same cosine at any length
        option = Combination(k=k, w1=w1, w2=w2, normalise_parts=normalised, **weighted)  # type: ignore[arg-type]
        found[describe(option)] = option
    changes: list[dict[str, object]] = []
    if settings.clip.model == PACKAGE_DEFAULT:
        changes += [{"captions": count} for count in _CAPTIONS]
    if settings.prediction.rescoring:
        changes += [{"rescoring": weight} for weight in _RESCORING]
    for change, k, weighted, (w1, w2) in product(changes, (100, 200), _BEST_WEIGHTED, _SHARES):
        option = Combination(k=k, w1=w1, w2=w2, **weighted, **change)  # type: ignore[arg-type]
        found[describe(option)] = option
    return found


def describe(option: Combination) -> str:
    """Say a combination in a few words."""
    weighting = {
        "uniform": "uniform",
        "power": f"1/d^{option.power:g}",
        "softmax": f"softmax {option.temperature:g}",
    }[option.weighting]
    normalised = ", normalised" if option.normalise_parts else ""
    captions = f", {option.captions} captions" if option.captions else ""
    again = f", scored again {option.rescoring:g}" if option.rescoring else ""
    shares = f"{option.w1:g}/{option.w2:g}"
    return f"k={option.k}, {weighting}, {shares}{normalised}{captions}{again}"
