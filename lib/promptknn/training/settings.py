"""Settings of fine-tuning."""

from typing import Literal

from pydantic import Field

from promptknn.locations import Location, PathLocation
from promptknn.section import Section

ObjectiveName = Literal["contrastive", "sentence", "both"]


class TrainingSettings(Section):
    """How `clip.model` is fine-tuned on images and their prompts (paper, table 1).

    `table` (a path, or a name in a catalog) holds images and texts; without one, prompt_images and
    prompts are read. `output` gets the model and the work in progress.

    The objectives: `contrastive` is CLIP's own; `sentence` regresses the sentence embedding of the
    prompt by a linear head on the image embedding; `both` adds them. `sentence` alone is not for
    retrieval: the image tower leaves the text tower behind, and no job reads the head.
    """

    table: Location | None = None
    image_column: str = "image_uri"
    text_column: str = "text"
    output: PathLocation | None = None

    objective: ObjectiveName = "contrastive"
    sentence_weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    batch_size: int = Field(default=256, ge=1)  # paper, table 1
    epochs: int = Field(default=3, ge=1)  # paper, table 1
    learning_rate: float = Field(default=3e-5, gt=0, allow_inf_nan=False)  # paper, table 1
    weight_decay: float = Field(default=6e-5, ge=0, allow_inf_nan=False)  # paper, table 1
    beta1: float = Field(default=0.9, ge=0, lt=1)  # open_clip, for vision transformers
    beta2: float = Field(default=0.98, ge=0, lt=1)  # open_clip, for vision transformers
    epsilon: float = Field(default=1e-6, gt=0)  # open_clip, for vision transformers
    warmup_share: float = Field(default=0.1, ge=0, lt=1)  # share of all steps, then a cosine
    seed: int = 0

    micro_batch_size: int = Field(default=32, ge=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    gradient_checkpointing: bool = False
    checkpoint_steps: int | None = Field(default=None, ge=1)
    processes: int = Field(default=1, ge=1)
    on_executors: bool = False
    loader_workers: int = Field(default=0, ge=0)
