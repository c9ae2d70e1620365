"""Where prompts come from, one file a data set; `PromptSource` lists the kinds."""

from typing import Annotated

from pydantic import Field

from promptknn.sources.coco import CocoSource
from promptknn.sources.coyo import CoyoSource
from promptknn.sources.delta import DeltaSource
from promptknn.sources.demo import DemoSource
from promptknn.sources.diffusiondb import DiffusionDbSource
from promptknn.sources.file import FileSource
from promptknn.sources.laion import LaionSource
from promptknn.sources.redcaps import RedCapsSource

PromptSource = Annotated[
    CocoSource
    | CoyoSource
    | DeltaSource
    | DemoSource
    | DiffusionDbSource
    | FileSource
    | LaionSource
    | RedCapsSource,
    Field(discriminator="kind"),
]

__all__ = [
    "CocoSource",
    "CoyoSource",
    "DeltaSource",
    "DemoSource",
    "DiffusionDbSource",
    "FileSource",
    "LaionSource",
    "PromptSource",
    "RedCapsSource",
]
