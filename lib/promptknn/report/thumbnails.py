"""Small JPEGs of images, to lie within the page."""

import base64
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from promptknn.images.decoding import RefusedImageError, decode
from promptknn.images.reading import read_image

_PIXELS = 360
_QUALITY = 72
# Each holds one whole picture in memory.
_THREADS = 2


def thumbnails(uris: Sequence[str], maximum_megapixels: float) -> list[str | None]:
    """Make a data URI of each image; None where it cannot be read any more.

    Args:
        uris: files, as many as the page shows.
        maximum_megapixels: above that an image is not decoded.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(lambda uri: _thumbnail(uri, maximum_megapixels), uris))


def _thumbnail(uri: str, maximum_megapixels: float) -> str | None:
    try:
        image = decode(read_image(uri, None, maximum_megapixels), maximum_megapixels)
    except RefusedImageError:
        return None
    image.thumbnail((_PIXELS, _PIXELS), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    # From pixels alone: no EXIF, and so no place where a photograph was taken.
    image.save(written, format="JPEG", quality=_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(written.getvalue()).decode("ascii")
