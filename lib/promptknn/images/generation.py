"""Making pictures from prompts with a diffusion model (paper, section 3.1: Stable Diffusion 2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from promptknn.encoders.garbage import spare_what_is_loaded
from promptknn.errors import GenerationError, reason
from promptknn.images.diffusion_pipeline import load_pipeline
from promptknn.settings import GenerationSettings

_LONGEST_DETAIL = 200


@dataclass(frozen=True)
class Picture:
    """A picture, and what the safety checker said: safe, flagged or not_checked."""

    image: Image.Image
    safety: str


@dataclass(frozen=True)
class Refusal:
    """Why a prompt has no picture: one word of a fixed list, and what was found."""

    reason: str
    detail: str


class PictureGenerator:
    """A diffusion pipeline, ready on the task's device: fp16 on a GPU, fp32 on a CPU."""

    def __init__(self, settings: GenerationSettings) -> None:
        """Load the pipeline; only weights in safetensors files are read.

        Raises:
            ModelLoadError: no such model, no network, or no safetensors weights.
        """
        self._settings = settings
        self._pipeline = load_pipeline(settings)
        spare_what_is_loaded()

    def generate(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Picture | Refusal]:
        """Make a picture for each prompt, in the order given.

        Every prompt has a noise of its own, so that its picture does not depend on the batch it
        is in (but for rounding: a device adds in another order where a batch has another size).

        Raises:
            GenerationError: the device's memory is too small.
        """
        try:
            return self._batch(prompts, seeds)
        except torch.cuda.OutOfMemoryError as error:
            raise GenerationError(
                f"The GPU's memory is too small for {len(prompts)} pictures of "
                f"{self._settings.width} x {self._settings.height} pixels at once: lower "
                f"`generation.batch_size`, or `generation.tasks_at_once` where tasks share a GPU."
            ) from error
        # A pipeline may raise anything; one bad prompt must not cost the others their pictures.
        except Exception as error:
            if len(prompts) > 1:
                single = zip(prompts, seeds, strict=True)
                return [self.generate([prompt], [seed])[0] for prompt, seed in single]
            detail = f"{type(error).__name__}: {reason(error)}"[:_LONGEST_DETAIL]
            return [Refusal("generation_failed", detail)]

    def _batch(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Picture | Refusal]:
        settings = self._settings
        # Noise is drawn on the CPU: a GPU of another make would draw another.
        noises = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        made = self._pipeline(
            prompt=list(prompts),
            generator=noises,
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
            width=settings.width,
            height=settings.height,
            output_type="np",
        )
        flags = getattr(made, "nsfw_content_detected", None) or [None] * len(prompts)
        return [_judged(pixels, flag) for pixels, flag in zip(made.images, flags, strict=True)]


@lru_cache(maxsize=1)
def picture_generator(settings: GenerationSettings, identity: str) -> PictureGenerator:  # noqa: ARG001
    """Give the generator, loaded once a process and anew when the model has changed."""
    return PictureGenerator(settings)


def picture_seed(prompt_id: str, number: int) -> int:
    """Derive a seed from a prompt: the same prompt gives the same pictures, on every machine.

    Args:
        prompt_id: 32 hex digits.
        number: which picture of the prompt, from 0.

    Returns:
        From 0 to 2**63 - 1.
    """
    return (int(prompt_id[:16], 16) + number) % 2**63


def _judged(pixels: npt.NDArray[np.float32], flagged: bool | None) -> Picture | Refusal:
    """Make a picture of float32 pixels, (height, width, 3), from 0 to 1."""
    # In fp16 a decoder may overflow: the picture would be black, and nobody would know why.
    if not np.all(np.isfinite(pixels)):
        return Refusal("not_finite", "the model gave pixels that are no numbers")
    safety = "not_checked" if flagged is None else "flagged" if flagged else "safe"
    return Picture(Image.fromarray((pixels * 255).round().astype(np.uint8)), safety)
