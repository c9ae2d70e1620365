"""Settings of the images to predict for, and of pictures made from prompts."""

from typing import Literal

from pydantic import Field

from promptknn.locations import Location, PathLocation, PathLocations
from promptknn.section import Section


class ImageSettings(Section):
    """The images to predict prompts for: files, folders, globs, or a table with a URI column."""

    paths: PathLocations = ()
    table: Location | None = None
    uri_column: str = "image_uri"
    # Of the table: a time that changes with the picture. Without one a picture is read once.
    modified_column: str | None = None
    extensions: tuple[str, ...] = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff")
    maximum_megapixels: float = Field(default=178.0, gt=0)
    # Files that were refused are tried again: a disk may have been away, a picture been mended.
    retry_rejected: bool = False


class GenerationSettings(Section):
    """Pictures made from prompts by a diffusion model (paper, section 3.1: Stable Diffusion 2)."""

    model: str = "stabilityai/stable-diffusion-2"
    revision: str | None = None
    variant: str | None = None
    scheduler: Literal[
        "model", "ddim", "dpm_solver", "euler", "euler_ancestral", "heun", "lms", "pndm", "unipc"
    ] = "model"
    steps: int = Field(default=50, ge=1)
    guidance: float = Field(default=7.5, ge=0, allow_inf_nan=False)
    width: int = Field(default=768, ge=8, multiple_of=8)
    height: int = Field(default=768, ge=8, multiple_of=8)
    safety_checker: Literal["auto", "off"] = "auto"
    images_per_prompt: int = Field(default=1, ge=1)
    prompts: int | None = Field(default=None, ge=1)
    retry_rejected: bool = False
    location: PathLocation | None = None
    batch_size: int = Field(default=4, ge=1)
    images_per_wave: int = Field(default=1_000, ge=1, le=100_000)
    images_per_task: int = Field(default=32, ge=1)
    # A GPU that Spark does not know of serves all cores at once: 1 keeps one model in its memory.
    tasks_at_once: int | None = Field(default=None, ge=1)
