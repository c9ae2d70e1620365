"""The protocols every encoder keeps, and the checks every vector passes."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL.Image import Image

from promptknn.errors import InvalidVectorError

Vectors = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.float32] | npt.NDArray[np.uint8]


class TextEncoder(Protocol):
    """Turns texts into vectors."""

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode texts: float32, (n, d), unit rows, in the order given."""


class ClipEncoder(TextEncoder, Protocol):
    """Turns images and texts into vectors that a query map can bring together."""

    @property
    def images_at_once(self) -> int:
        """How many images fill the device."""

    def prepare(self, image: Image) -> Pixels:
        """Make of an RGB image what the image tower reads, in any thread."""

    def encode_pixels(self, pixels: Sequence[Pixels]) -> Vectors:
        """Encode what `prepare` made, as `encode_images` does."""

    def encode_images(self, images: Sequence[Image]) -> Vectors:
        """Encode RGB images: float32, (n, d), as the image tower gives them.

        CLIP models give unit rows in the text space; `package-default` gives class profiles.
        """


def unit(vectors: Vectors) -> Vectors:
    """Scale rows to unit length.

    Args:
        vectors: float32, (n, d).

    Raises:
        InvalidVectorError: a row is not finite or has no length.
    """
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not np.all(np.isfinite(norms)) or np.any(norms == 0):
        bad = int(np.flatnonzero(~_usable(norms).ravel())[0])
        raise InvalidVectorError(
            f"Vector {bad} of {len(vectors)} is not finite or has no length: "
            f"check the model's weights, and its precision if it runs in fp16.",
            bad,
        )
    scaled: Vectors = (vectors / norms).astype(np.float32)
    return scaled


def check_stored(vectors: Vectors, prompt_ids: pa.Array, column: str) -> None:
    """Check vectors that a table holds before they are used.

    Args:
        vectors: float32, (n, d).
        prompt_ids: whose they are.
        column: of prompt_embeddings.

    Raises:
        InvalidVectorError: naming the first prompt whose vector is not finite or has no length.
    """
    bad = np.flatnonzero(~_usable(np.linalg.norm(vectors, axis=-1)))
    if len(bad):
        row = int(bad[0])
        raise InvalidVectorError(
            f"The {column} of prompt {prompt_ids[row]} in prompt_embeddings is not finite or has "
            f"no length: delete its row, then run jobs/build_index.py, which embeds it anew.",
            row,
        )


def _usable(norms: Vectors) -> npt.NDArray[np.bool_]:
    return np.isfinite(norms) & (norms > 0)
