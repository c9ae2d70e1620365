"""The diffusion pipeline that the settings name: its identity, and how it is loaded."""

import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
import torch

from promptknn.encoders.device import task_device
from promptknn.encoders.fingerprint import fingerprint
from promptknn.encoders.hub import check_hub
from promptknn.errors import GenerationError, MissingInputError, ModelLoadError, reason
from promptknn.settings import GenerationSettings, settings_hash

_PARTS = "model_index.json"
# Keys that do not change a picture; the model is told apart by its weights, not by its path.
_NOT_CONTENT = frozenset({
    "model", "revision", "images_per_prompt", "prompts", "retry_rejected", "location",
    "batch_size", "images_per_wave", "images_per_task", "tasks_at_once",
})  # fmt: skip
_SCHEDULERS = {
    "ddim": "DDIMScheduler",
    "dpm_solver": "DPMSolverMultistepScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_ancestral": "EulerAncestralDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "lms": "LMSDiscreteScheduler",
    "pndm": "PNDMScheduler",
    "unipc": "UniPCMultistepScheduler",
}
_CURE = (
    "set `generation.model` to a folder of a diffusers model with safetensors weights, or run "
    "where the hub has the model and answers"
)


class _Made(Protocol):
    """What a pipeline gives: float32, (n, height, width, 3), from 0 to 1."""

    images: npt.NDArray[np.float32]


Pipeline = Callable[..., _Made]


def generator_identity(settings: GenerationSettings) -> str:
    """Name the model, its weights and all settings that decide a picture; fit for a folder's name.

    A model of the hub is known by its revision, a local one by its content.
    """
    if Path(settings.model).is_dir():
        weights = fingerprint([Path(settings.model)])
    else:
        weights = f"{settings.model}@{settings.revision or 'main'}"
    name = re.sub(r"[^A-Za-z0-9._-]", "-", Path(settings.model).name)
    return f"{name}-{settings_hash(settings, weights, exclude=_NOT_CONTENT)}"


def check_generation(settings: GenerationSettings) -> None:
    """Check within seconds that the model can be had; nothing is loaded.

    Raises:
        MissingInputError: diffusers is not installed.
        ModelLoadError: the folder is not there or holds no pipeline, or the hub gives no model.
    """
    if find_spec("diffusers") is None:
        raise MissingInputError(
            "Making pictures needs the package diffusers: install promptknn[generate]."
        )
    model, folder = settings.model, Path(settings.model)
    if folder.is_dir() or folder.is_absolute() or model.startswith("."):
        if not (folder / _PARTS).is_file():
            raise ModelLoadError(f"The diffusion model's folder {model} has no {_PARTS}: {_CURE}.")
        return
    check_hub(f"The diffusion model '{model}'", _CURE, model, (_PARTS,), settings.revision)


def load_pipeline(settings: GenerationSettings) -> Pipeline:
    """Load the pipeline onto the task's device: fp16 on a GPU, fp32 on a CPU.

    Only weights in safetensors files are read.

    Raises:
        ModelLoadError: no such model, no network, or no safetensors weights.
        GenerationError: the GPU's memory is too small.
    """
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
        # The warning that a long prompt is cut to what the text tower reads, for each of them.
        library.utils.logging.set_verbosity_error()
    device = task_device()
    unchecked = {"safety_checker": None, "requires_safety_checker": False}
    try:
        pipeline = diffusers.DiffusionPipeline.from_pretrained(
            settings.model,
            revision=settings.revision,
            variant=settings.variant,
            dtype=torch.float16 if device.type == "cuda" else torch.float32,
            use_safetensors=True,
            local_files_only=Path(settings.model).is_dir(),
            **(unchecked if settings.safety_checker == "off" else {}),
        )
        if settings.scheduler != "model":
            scheduler = getattr(diffusers, _SCHEDULERS[settings.scheduler])
            pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config)
        pipeline.set_progress_bar_config(disable=True)
        return cast(Pipeline, pipeline.to(device))
    except torch.cuda.OutOfMemoryError as error:
        raise GenerationError(
            f"The GPU's memory does not hold the diffusion model '{settings.model}': set "
            f"`generation.tasks_at_once` to 1 where tasks share a GPU, or take a smaller model."
        ) from error
    except Exception as error:
        raise ModelLoadError(
            f"The diffusion model '{settings.model}' cannot be loaded ({type(error).__name__}: "
            f"{reason(error).rstrip('.: ')}): {_CURE}."
        ) from error
