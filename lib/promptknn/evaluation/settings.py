"""Settings of evaluations: the true prompts, and what is scored against them."""

from typing import Annotated, Literal

from pydantic import Field

from promptknn.locations import PathLocation
from promptknn.section import Section


class CocoTruths(Section):
    """True prompts from a COCO captions JSON: every caption of an image counts."""

    kind: Literal["coco"]
    path: PathLocation


class CsvTruths(Section):
    """True prompts from a CSV of image and prompt, the image with or without its extension."""

    kind: Literal["csv"]
    path: PathLocation
    image_column: str = "image"
    prompt_column: str = "prompt"


Truths = Annotated[CocoTruths | CsvTruths, Field(discriminator="kind")]


class EvaluationSettings(Section):
    """What predictions are compared with (paper, section 4: cosine to the true prompt)."""

    truths: Truths | None = None
    neighbours: tuple[Annotated[int, Field(ge=1)], ...] = (10, 100)  # paper, table 2
    leak_similarity: float = Field(default=0.9, gt=0)  # paper, section 3.1: near duplicates
    grid_neighbours: tuple[Annotated[int, Field(ge=1)], ...] = (1, 5, 10, 20, 50, 100, 200)
    grid_w1: tuple[Annotated[float, Field(ge=0, le=1)], ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    folds: int = Field(default=5, ge=2)
    bootstrap_samples: int = Field(default=1000, ge=10)
    seed: int = 0
