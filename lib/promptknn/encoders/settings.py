"""Settings of the models, and of embedding prompts and images with them."""

import re
from typing import Literal

from pydantic import Field, field_validator

from promptknn.encoders.precision import Precision
from promptknn.section import Section

PACKAGE_DEFAULT = "package-default"


class ClipSettings(Section):
    """The model that puts images and prompts into one space."""

    model: str = PACKAGE_DEFAULT
    pretrained: str | None = None
    # Branch, tag or commit of a model of the hub; only a commit is the same weights for ever.
    revision: str | None = None
    batch_size: int = Field(default=64, ge=1)
    # Of open_clip models. Not part of their name: an index made on GPUs is searched from CPUs.
    precision: Precision = "auto"
    views: Literal[1, 2, 5, 11] = 11

    @field_validator("model")
    @classmethod
    def _one_name_a_model(cls, model: str) -> str:
        # OpenAI's ViT-B/32 is ViT-B-32 to open_clip, and must be the same model to the tables.
        return model if ":" in model else re.sub(r"/(?=\d)", "-", model)


class SentenceSettings(Section):
    """The Sentence Transformer in whose space prompts are predicted and scored."""

    model: str = "all-MiniLM-L6-v2"
    # As in `clip`.
    revision: str | None = None
    batch_size: int = Field(default=64, ge=1)
    precision: Precision = "auto"


class EmbeddingSettings(Section):
    """How much one wave holds: what a killed job can lose."""

    prompts_per_wave: int = Field(default=100_000, ge=1)
    images_per_wave: int = Field(default=20_000, ge=1)
    prompts_per_task: int = Field(default=2_000, ge=1)
    images_per_task: int = Field(default=32, ge=1)
