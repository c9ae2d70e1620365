"""Decoding image files into upright RGB pictures; what cannot be used is refused by name."""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

_WHITE = (255, 255, 255)
# Image towers enlarge the shorter side to some hundred pixels, and the longer one as much.
_MOST_LONG_BY_SHORT = 200
_LIMIT = threading.Lock()
# What turns a picture upright, by its EXIF orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(eq=False)
class RefusedImageError(Exception):
    """An image that cannot be used.

    Attributes:
        reason: one word of a fixed list, for rejected_images.
        detail: what was found.
    """

    reason: str
    detail: str


def decode(content: bytes, maximum_megapixels: float) -> Image.Image:
    """Decode an image: RGB, upright by its EXIF tag, on white where it is transparent.

    The first frame of an animation, the first page of a document.

    Raises:
        RefusedImageError: empty_file, not_an_image, too_large, too_thin, truncated or
            broken_image.
    """
    if not content:
        raise RefusedImageError("empty_file", "0 bytes")
    try:
        with _pillow_limit(int(maximum_megapixels * 1e6)):
            image = Image.open(io.BytesIO(content))
        _check_size(image, maximum_megapixels)
        image.load()
        return upright_rgb(image)
    except RefusedImageError:
        raise
    except UnidentifiedImageError as error:
        raise RefusedImageError("not_an_image", _start(content)) from error
    except Image.DecompressionBombError as error:
        raise RefusedImageError("too_large", str(error)) from error
    except Exception as error:
        # Whatever a decoder trips over, one bad file must not end the job.
        truncated = "truncated" in str(error) or "end of" in str(error).lower()
        reason = "truncated" if truncated else "broken_image"
        raise RefusedImageError(reason, str(error)[:200]) from error


def upright_rgb(image: Image.Image) -> Image.Image:
    """Turn an open image upright by its EXIF tag, and make it RGB, on white where transparent."""
    return _rgb(_upright(image))


@contextmanager
def _pillow_limit(pixels: int) -> Iterator[None]:
    # Pillow warns above its limit and refuses above twice its limit; ours decides. The limit is the
    # process's own, and pictures are decoded on several threads.
    with _LIMIT, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = pixels
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _check_size(image: Image.Image, maximum_megapixels: float) -> None:
    short, long = sorted(image.size)
    if long > _MOST_LONG_BY_SHORT * short:
        raise RefusedImageError("too_thin", f"{image.width} x {image.height} pixels")
    if image.width * image.height > maximum_megapixels * 1e6:
        raise RefusedImageError("too_large", f"{image.width} x {image.height} pixels")


def _upright(image: Image.Image) -> Image.Image:
    # ImageOps.exif_transpose writes the EXIF anew too, and fails on tags it cannot write.
    turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return image if turn is None else image.transpose(turn)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _eight_bits(image).convert("RGB")
    if "A" in image.mode or "transparency" in image.info:
        rgba = image.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, (*_WHITE, 255))
        return Image.alpha_composite(ground, rgba).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    # Pillow would clip 16-bit greys to white; they are scaled instead.
    greys = np.asarray(image, dtype=np.float32)
    highest = float(greys.max(initial=0))
    top = 255.0 if highest <= 255 else max(highest, 65535.0)
    return Image.fromarray(np.clip(greys * (255.0 / top), 0, 255).astype(np.uint8))


def _start(content: bytes) -> str:
    return f"starts with {content[:16]!r}"
