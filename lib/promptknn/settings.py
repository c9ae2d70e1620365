"""Every setting, in one frozen tree; the paper's numbers stand here once, with their source."""

import hashlib
import json
from typing import Literal

from pydantic import BaseModel, Field, model_validator

from promptknn.encoders.settings import (
    PACKAGE_DEFAULT,
    ClipSettings,
    EmbeddingSettings,
    SentenceSettings,
)
from promptknn.evaluation.settings import CocoTruths, CsvTruths, EvaluationSettings
from promptknn.evaluation.splits import Splits
from promptknn.images.settings import GenerationSettings, ImageSettings
from promptknn.locations import Location, PathLocation
from promptknn.prediction.settings import PredictionSettings
from promptknn.section import Section
from promptknn.sources import DemoSource, PromptSource
from promptknn.training.settings import TrainingSettings

__all__ = [
    "CleaningSettings",
    "ClipSettings",
    "CocoTruths",
    "CsvTruths",
    "DeduplicationSettings",
    "EmbeddingSettings",
    "EvaluationSettings",
    "GenerationSettings",
    "ImageSettings",
    "IndexSettings",
    "PredictionSettings",
    "SentenceSettings",
    "Settings",
    "SparkSettings",
    "VocabularySettings",
    "settings_hash",
]


class SparkSettings(Section):
    """How a session is made where none is active yet."""

    master: str | None = None
    application_name: str = "promptknn"
    conf: dict[str, str] = Field(default_factory=dict)


class VocabularySettings(Section):
    """What happens to terms that no word of the sentence model's vocabulary is like.

    The paper drops them (section 3.1). On real prompts these are the names of artists and much of
    the trade's own language, so that the default leaves prompts as they are (see README).
    """

    mode: Literal["off", "drop_term", "drop_prompt"] = "off"
    minimum_similarity: float = Field(default=0.6, ge=-1, le=1)  # paper, section 3.1
    terms_per_task: int = Field(default=10_000, ge=1)


class CleaningSettings(Section):
    """What a prompt must be like (paper, section 3.1: empty, NaN, exceptional, non-English)."""

    minimum_characters: int = Field(default=3, ge=1)
    maximum_characters: int = Field(default=1000, ge=1)
    languages: tuple[str, ...] = ("en",)
    # Identification of a few words is a guess: "a zebra" is Breton with a score of 0.49.
    language_score: float = Field(default=0.5, ge=0, le=1)
    vocabulary: VocabularySettings = VocabularySettings()

    @model_validator(mode="after")
    def _ordered(self) -> "CleaningSettings":
        if self.minimum_characters > self.maximum_characters:
            raise ValueError("minimum_characters must not be above maximum_characters")
        return self


class DeduplicationSettings(Section):
    """Near duplicates, which stay out of the index; `similarity: null` leaves them all in."""

    similarity: float | None = Field(default=0.9, gt=0, lt=1)  # paper, section 3.1
    prompts_per_block: int = Field(default=50_000, ge=1)
    # Above so many prompts, lists of an inverted file are compared instead of all pairs.
    exact_below: int = Field(default=100_000, ge=0)
    target_recall: float = Field(default=0.999, gt=0, le=1)


class IndexSettings(Section):
    """How shards are built, judged and distributed."""

    location: PathLocation | None = None
    rows_per_shard: int = Field(default=1_000_000, ge=1)
    shards: int | None = Field(default=None, ge=1)
    kind: Literal["auto", "flat", "ivf_sq8"] = "auto"
    flat_below: int = Field(default=200_000, ge=0)
    training_rows: int = Field(default=200_000, ge=1)
    # A pool that has grown by more than this factor is indexed anew, its query map fitted again.
    refit_growth: float = Field(default=2.0, ge=1)
    target_recall: float = Field(default=0.99, gt=0, le=1)
    recall_queries: int = Field(default=256, ge=1)
    query_map: Literal["auto", "identity", "centred", "ridge", "conse"] = "auto"
    distribution: Literal["auto", "broadcast", "files"] = "auto"
    broadcast_below_bytes: int = Field(default=2_000_000_000, ge=0)
    # An index that outgrows a host is searched by groups of its shards, and the answers merged.
    search: Literal["auto", "replicated", "partitioned"] = "auto"
    replicated_below_bytes: int = Field(default=32_000_000_000, ge=0)
    group_bytes: int = Field(default=8_000_000_000, ge=1)
    cache: PathLocation | None = None


class Settings(Section):
    """The whole tree. `lake` is a folder, or `catalog.schema`."""

    lake: Location = "./lake"
    sources: tuple[PromptSource, ...] = Field(default=(DemoSource(),), min_length=1)
    cleaning: CleaningSettings = CleaningSettings()
    clip: ClipSettings = ClipSettings()
    sentence: SentenceSettings = SentenceSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    deduplication: DeduplicationSettings = DeduplicationSettings()
    index: IndexSettings = IndexSettings()
    images: ImageSettings = ImageSettings()
    generation: GenerationSettings = GenerationSettings()
    prediction: PredictionSettings = PredictionSettings()
    splits: Splits = Splits()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    spark: SparkSettings = SparkSettings()

    @model_validator(mode="after")
    def _options_fit_the_model(self) -> "Settings":
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

    @model_validator(mode="after")
    def _distinct_sources(self) -> "Settings":
        names = [source.label for source in self.sources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two sources are called '{name}': give each a `name` of its own")
        return self


def settings_hash(*sections: BaseModel | str, exclude: frozenset[str] = frozenset()) -> str:
    """Hash settings that decide a result: 16 hex digits, the same on every machine.

    Args:
        sections: settings, or texts such as the identity of a model.
        exclude: keys that do not change the result (how many rows a task gets, say).
    """
    parts = [
        part if isinstance(part, str) else part.model_dump(mode="json", exclude=set(exclude))
        for part in sections
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
