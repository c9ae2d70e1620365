from pathlib import Path

import numpy as np
from PIL import Image

from promptknn.evaluation.cosine import Estimate
from promptknn.evaluation.plots import plot_grid, plot_reliability
from promptknn.evaluation.variants import grid
from promptknn.settings import EvaluationSettings


def _is_drawn(picture: Path) -> bool:
    with Image.open(picture) as image:
        return image.width > 300 and len(image.convert("RGB").getcolors(1 << 24)) > 50


def test_a_grid_is_drawn_as_heat_map_and_curves(volume: Path) -> None:
    variants = grid(EvaluationSettings(grid_neighbours=(1, 10), grid_w1=(0.0, 1.0)))
    found = {name: Estimate(place / 10, 0, 1) for place, name in enumerate(variants)}
    pictures = plot_grid(variants, found, volume / "plots")
    assert [picture.name for picture in pictures] == ["grid_heat_map.png", "grid_curves.png"]
    assert all(_is_drawn(picture) for picture in pictures)


def test_reliability_is_drawn_for_few_images_too(tmp_path: Path) -> None:
    assert _is_drawn(plot_reliability(np.array([0.2, 0.4]), np.array([0.3, 0.5]), tmp_path))
