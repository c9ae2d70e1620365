"""Simple generated pictures and the prompts that describe them: coloured shapes on backgrounds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

COLOURS = {
    "red": (214, 39, 40),
    "green": (44, 160, 44),
    "blue": (31, 82, 200),
    "yellow": (250, 220, 50),
    "purple": (148, 60, 189),
    "white": (245, 245, 245),
    "black": (20, 20, 20),
    "orange": (255, 127, 14),
}
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
_SIDE = 32


@dataclass(frozen=True)
class Scene:
    """A shape of one colour on a ground of another."""

    shape: str
    colour: str
    ground: str

    @property
    def prompt(self) -> str:
        article = "an" if self.colour[0] in "aeiou" else "a"
        return f"{article} {self.colour} {self.shape} on a {self.ground} background"

    def picture(self, draw: np.random.Generator) -> Image.Image:
        """Draw it, its place, size and exact colours by chance."""
        image = Image.new("RGB", (_SIDE, _SIDE), _shade(COLOURS[self.ground], draw))
        x, y = draw.uniform(12, 20, 2)
        _PAINTERS[self.shape](
            ImageDraw.Draw(image), x, y, draw.uniform(7, 11), _shade(COLOURS[self.colour], draw)
        )
        return image


def all_scenes() -> list[Scene]:
    """Give every shape, colour and ground, but for shapes of the ground's own colour."""
    return [
        Scene(shape, colour, ground)
        for shape in SHAPES
        for colour in COLOURS
        for ground in COLOURS
        if colour != ground
    ]


def _shade(colour: Sequence[int], draw: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = np.clip(np.asarray(colour) + draw.integers(-12, 13, 3), 0, 255)
    return int(red), int(green), int(blue)


def _points(x: float, y: float, radii: Sequence[float]) -> list[tuple[float, float]]:
    turn = 2 * math.pi / len(radii)
    return [
        (x + radius * math.sin(turn * n), y - radius * math.cos(turn * n))
        for n, radius in enumerate(radii)
    ]


def _cross(ink: ImageDraw.ImageDraw, x: float, y: float, r: float, fill: tuple[int, ...]) -> None:
    ink.rectangle((x - r, y - r / 3, x + r, y + r / 3), fill=fill)
    ink.rectangle((x - r / 3, y - r, x + r / 3, y + r), fill=fill)


_PAINTERS = {
    "circle": lambda ink, x, y, r, fill: ink.ellipse((x - r, y - r, x + r, y + r), fill=fill),
    "square": lambda ink, x, y, r, fill: ink.rectangle((x - r, y - r, x + r, y + r), fill=fill),
    "triangle": lambda ink, x, y, r, fill: ink.polygon(_points(x, y, [r] * 3), fill=fill),
    "star": lambda ink, x, y, r, fill: ink.polygon(_points(x, y, [r, r * 0.4] * 5), fill=fill),
    "cross": _cross,
    "ring": lambda ink, x, y, r, fill: ink.ellipse(
        (x - r, y - r, x + r, y + r), outline=fill, width=3
    ),
}
