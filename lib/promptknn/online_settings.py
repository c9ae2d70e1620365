"""The settings of the online stage: what predicting for one picture needs, and no Spark.

The sources of prompts and the evaluation know Spark, whose import takes a second; so `Settings`,
which has these too, is read by jobs alone.
"""

from pydantic import model_validator

from promptknn.encoders.settings import PACKAGE_DEFAULT, ClipSettings, SentenceSettings
from promptknn.images.settings import ImageSettings
from promptknn.index.settings import IndexSettings
from promptknn.locations import Location
from promptknn.prediction.settings import PredictionSettings
from promptknn.section import Section

# What jobs alone read.
OFFLINE_SECTIONS = frozenset({
    "sources", "cleaning", "policy", "embedding", "deduplication", "generation", "splits",
    "training", "evaluation", "maintenance", "tracking", "spark",
})  # fmt: skip


class OnlineSettings(Section):
    """What an image is predicted with. `lake` is a folder, or `catalog.schema`."""

    lake: Location = "./lake"
    clip: ClipSettings = ClipSettings()
    sentence: SentenceSettings = SentenceSettings()
    index: IndexSettings = IndexSettings()
    images: ImageSettings = ImageSettings()
    prediction: PredictionSettings = PredictionSettings()

    @model_validator(mode="after")
    def _options_fit_the_model(self) -> "OnlineSettings":
        if self.prediction.captions and self.clip.model != PACKAGE_DEFAULT:
            raise ValueError(
                f"prediction.captions are made of the classes that clip.model {PACKAGE_DEFAULT} "
                f"tells, not of {self.clip.model}: set `prediction.captions` to 0"
            )
        rescoring = self.prediction.rescoring
        if rescoring and rescoring.clip.model == PACKAGE_DEFAULT:
            raise ValueError(
                f"prediction.rescoring.clip.model {PACKAGE_DEFAULT} has no space that images and "
                f"prompts share: set it to an open_clip model"
            )
        return self
