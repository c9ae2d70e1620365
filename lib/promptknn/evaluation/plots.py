"""Evaluations as pictures (extra `report`)."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from promptknn.evaluation.cosine import Doubles, Estimate
from promptknn.prediction.combination import Combination

mpl.use("Agg")
_DPI = 120


def plot_grid(
    variants: Mapping[str, Combination], found: Mapping[str, Estimate], folder: Path
) -> list[Path]:
    """Draw a grid over k and w1 as a heat map, and as one curve over k for each w1.

    Returns:
        The PNG files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    neighbours = sorted({variant.k for variant in variants.values()})
    shares = sorted({variant.w1 for variant in variants.values()})
    means = np.full((len(shares), len(neighbours)), np.nan)
    for name, variant in variants.items():
        means[shares.index(variant.w1), neighbours.index(variant.k)] = found[name].mean
    return [
        _heat_map(means, neighbours, shares, folder / "grid_heat_map.png"),
        _curves(means, neighbours, shares, folder / "grid_curves.png"),
    ]


def _heat_map(means: Doubles, neighbours: list[int], shares: list[float], path: Path) -> Path:
    figure = Figure(figsize=(1.5 + len(neighbours), 1.5 + 0.6 * len(shares)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(means, aspect="auto", origin="lower", cmap="viridis")
    axes.set_xticks(range(len(neighbours)), [str(k) for k in neighbours])
    axes.set_yticks(range(len(shares)), [f"{w1:g}" for w1 in shares])
    axes.set(xlabel="k, neighbours in E_pred1", ylabel="w1 (w2 = 1 - w1)")
    axes.set_title("Mean cosine similarity to the true prompts")
    middle = np.nanmean(means)
    for (row, column), value in np.ndenumerate(means):
        colour = "white" if value < middle else "black"
        axes.text(column, row, f"{value:.3f}", ha="center", va="center", color=colour, fontsize=8)
    figure.colorbar(image)
    figure.savefig(path, dpi=_DPI)
    return path


def _curves(means: Doubles, neighbours: list[int], shares: list[float], path: Path) -> Path:
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for share, row in zip(shares, means, strict=True):
        axes.plot(neighbours, row, marker="o", markersize=4, label=f"w1 = {share:g}")
    axes.set_xscale("log")
    axes.set_xticks(neighbours, [str(k) for k in neighbours])
    axes.minorticks_off()
    axes.set(xlabel="k, neighbours in E_pred1", ylabel="mean cosine similarity")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=_DPI)
    return path


def plot_reliability(expected: Doubles, cosines: Doubles, folder: Path, bins: int = 8) -> Path:
    """Draw true cosines over expected ones: each image, and the mean of equally full bins.

    Returns:
        The PNG file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    axes = figure.subplots()
    axes.scatter(expected, cosines, s=14, alpha=0.4, label="images, held out of the fit")
    parts = np.array_split(np.argsort(expected), min(bins, len(expected)))
    middles = [(expected[part].mean(), cosines[part].mean()) for part in parts]
    axes.plot(*zip(*middles, strict=True), marker="o", color="tab:orange", label="means of bins")
    low = float(min(expected.min(), cosines.min()))
    high = float(max(expected.max(), cosines.max()))
    axes.plot([low, high], [low, high], linestyle="--", color="grey", label="perfect")
    axes.set(xlabel="confidence (expected cosine)", ylabel="cosine to the true prompts")
    axes.set_title("Reliability of the confidence")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    path = folder / "reliability.png"
    figure.savefig(path, dpi=_DPI)
    return path
