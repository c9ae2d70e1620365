"""Any open_clip model: a name with a pretrained tag, `hf-hub:...`, or `local-dir:...`.

open_clip is imported where a model is loaded: that takes seconds, which a Spark driver that only
names models need not spend.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL.Image import Image

from promptknn.encoders.device import task_device, transfer
from promptknn.encoders.encoder import Pixels, Vectors, unit
from promptknn.encoders.fingerprint import fingerprint
from promptknn.encoders.garbage import spare_what_is_loaded
from promptknn.encoders.memory import keep_freed_memory
from promptknn.encoders.precision import autocast, half_type
from promptknn.encoders.revision import revision_folder
from promptknn.encoders.settings import ClipSettings
from promptknn.encoders.text_context import encode_tokens
from promptknn.errors import ModelLoadError, SettingsError

if TYPE_CHECKING:
    import open_clip
    import torch

# More images leave a core's cache.
_IMAGES_OF_A_CPU = 8
_LOCAL, _HUB = "local-dir:", "hf-hub:"
Transform = Callable[[Image], "torch.Tensor"]
Tokenizer = Callable[[Sequence[str]], "torch.Tensor"]


class OpenClipEncoder:
    """An open_clip model in evaluation mode."""

    def __init__(self, settings: ClipSettings) -> None:
        """Load the model, its image transform and its tokenizer.

        Raises:
            ModelLoadError: no such model, no network, or an unreadable checkpoint.
        """
        import torch

        self._device = task_device()
        keep_freed_memory()
        self._batch_size, self._precision = settings.batch_size, settings.precision
        self._model, self._transform, self._tokenizer = load_open_clip(settings, self._device)
        self._model.eval()
        # Autocast keeps what runs between an image tower's products in fp32: 0.7 of this rate on an
        # H100. Text towers are as fast under it, and some kinds mix their types without it.
        self._image_type = half_type(settings.precision, self._device) or torch.float32
        self._model.visual.to(self._image_type)
        spare_what_is_loaded()

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode texts: float32, (n, d), unit rows."""
        tokens = self._tokenizer(list(texts))
        with autocast(self._precision, self._device):
            return unit(encode_tokens(self._model, tokens, self._batch_size, self._device))

    @property
    def images_at_once(self) -> int:
        """How many images fill the device."""
        most = self._batch_size
        return most if self._device.type == "cuda" else min(most, _IMAGES_OF_A_CPU)

    def prepare(self, image: Image) -> Pixels:
        """Resize and normalise an RGB image: float32, (3, height, width) of the model."""
        pixels: Pixels = self._transform(image).numpy()
        return pixels

    def encode_pixels(self, pixels: Sequence[Pixels]) -> Vectors:
        """Encode prepared images: float32, (n, d), unit rows."""
        import torch

        parts = []
        with torch.inference_mode():
            for start in range(0, len(pixels), self._batch_size):
                some = torch.from_numpy(np.stack(pixels[start : start + self._batch_size]))
                there = transfer(some, self._device).to(self._image_type)
                parts.append(self._model.encode_image(there))
            # Only here the host waits for a GPU.
            found = torch.cat(parts).float().cpu().numpy()
        return unit(found)

    def encode_images(self, images: Sequence[Image]) -> Vectors:
        """Encode RGB images: float32, (n, d), unit rows."""
        return self.encode_pixels([self.prepare(image) for image in images])


def load_open_clip(
    settings: ClipSettings, device: "torch.device"
) -> tuple["open_clip.CLIP", Transform, Tokenizer]:
    """Load a model, the image transform of its evaluation, and its tokenizer.

    Raises:
        ModelLoadError: no such model, no network, or an unreadable checkpoint.
    """
    import open_clip

    try:
        name = settings.model
        if settings.revision:
            repository = name.removeprefix(_HUB)
            name = f"{_LOCAL}{revision_folder(repository, settings.revision)}"
        # Without weights create_model_and_transforms only warns, and starts from random ones.
        model, transform = open_clip.create_model_from_pretrained(
            name, pretrained=settings.pretrained, device=device, weights_only=True
        )
        return model, transform, open_clip.get_tokenizer(name)
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise ModelLoadError(
            f"The CLIP model '{settings.model}' ({settings.pretrained or 'no tag'}) cannot be "
            f"loaded ({type(error).__name__}: {reason}): set `clip.model` and "
            f"`clip.pretrained` to a pair of open_clip.list_pretrained() where there is a "
            f"network, or `clip.model` to local-dir:/folder."
        ) from error


def open_clip_identity(settings: ClipSettings) -> str:
    """Name the model and its weights, as the tables do; a local folder by its content.

    Raises:
        ModelLoadError: the folder is not there.
        SettingsError: a revision is set for a model that is not of the hub.
    """
    if settings.revision:
        if not settings.model.startswith(_HUB):
            raise SettingsError(
                f"clip.revision is of models of the hub, and '{settings.model}' is none: set "
                f"`clip.model` to hf-hub:maker/model, or leave it out."
            )
        return f"{settings.model}@{settings.revision}"
    if settings.model.startswith(_LOCAL):
        folder = Path(settings.model.removeprefix(_LOCAL))
        if not folder.is_dir():
            raise ModelLoadError(
                f"The CLIP model's folder {folder} is not there: set `clip.model` to "
                f"local-dir:/folder of an open_clip checkpoint."
            )
        return f"{_LOCAL}{folder.name}@{fingerprint([folder])}"
    tag = settings.pretrained or ""
    if tag and Path(tag).is_file():
        return f"{settings.model}/{Path(tag).name}@{fingerprint([Path(tag)])}"
    return f"{settings.model}/{tag}" if tag else settings.model
