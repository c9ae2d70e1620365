"""Settings of predictions: the combination of neighbours, and what comes before it."""

from pydantic import Field, model_validator

from promptknn.encoders.settings import ClipSettings
from promptknn.prediction.combination import Combination, Space, Weighting
from promptknn.section import Section


class RescoringSettings(Section):
    """A second CLIP model that scores the neighbours of the first again.

    Their similarity becomes (1 - weight) * similarity + weight * the second model's similarity.
    """

    clip: ClipSettings
    weight: float = Field(default=0.5, gt=0, le=1)


class PredictionSettings(Section):
    """The combination of neighbours: E_pred = w1 E_pred1 + w2 E_pred2 (paper, section 3.3).

    The defaults are what nested cross-validation chose for the package default (README, "Better
    than the paper"); the paper's own are those of `Combination`, and stand in conf/paper.yaml.
    """

    k: int = Field(default=200, ge=1, le=10_000)
    w1: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    w2: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    knn_space: Space = "sentence"
    normalise_parts: bool = False
    weighting: Weighting = "softmax"
    power: float = Field(default=4.0, ge=0, allow_inf_nan=False)
    temperature: float = Field(default=0.1, gt=0, allow_inf_nan=False)
    rescoring: RescoringSettings | None = None
    # Captions made of a picture's best classes join its neighbours: only of package-default.
    captions: int = Field(default=0, ge=0, le=10)
    neighbours_kept: int = Field(default=10, ge=1)
    # A job that is killed loses one wave at most.
    images_per_wave: int = Field(default=1_000_000, ge=1)
    repredict: bool = False

    @property
    def combination(self) -> Combination:
        """How neighbours become E_pred."""
        return Combination(
            self.k,
            self.w1,
            self.w2,
            self.normalise_parts,
            self.weighting,
            self.power,
            self.temperature,
            self.knn_space,
            self.rescoring.weight if self.rescoring else 0.0,
            self.captions,
        )

    @model_validator(mode="after")
    def _some_weight(self) -> "PredictionSettings":
        if self.w1 + self.w2 <= 0:
            raise ValueError("w1 and w2 must not both be 0")
        return self
