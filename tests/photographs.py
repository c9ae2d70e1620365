"""Real photographs of scikit-image's package."""

from pathlib import Path

from PIL import Image

from promptknn.locations import package_path


def photograph(name: str) -> Image.Image:
    """Open one as RGB: chelsea (a cat), coffee, rocket, astronaut, ..."""
    folder = Path(package_path("package:skimage/data"))
    return Image.open(next(folder.glob(f"{name}.*"))).convert("RGB")
