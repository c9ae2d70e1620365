"""Where prompts come from, one file a data set; `PromptSource` lists the kinds."""

from typing import Annotated

from pydantic import Field

from promptknn.sources.coco import CocoSource
from promptknn.sources.delta import DeltaSource
from promptknn.sources.demo import DemoSource
from promptknn.sources.file import FileSource

PromptSource = Annotated[
    CocoSource | DeltaSource | DemoSource | FileSource, Field(discriminator="kind")
]

__all__ = ["CocoSource", "DeltaSource", "DemoSource", "FileSource", "PromptSource"]
