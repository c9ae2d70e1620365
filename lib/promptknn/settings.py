"""Every setting, in one frozen tree; the paper's numbers stand here once, with their source."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from promptknn.encoders.settings import ClipSettings, EmbeddingSettings, SentenceSettings
from promptknn.evaluation.settings import CocoTruths, CsvTruths, EvaluationSettings
from promptknn.evaluation.splits import Splits
from promptknn.images.settings import GenerationSettings, ImageSettings
from promptknn.index.settings import IndexSettings
from promptknn.maintenance.settings import MaintenanceSettings
from promptknn.online_settings import OnlineSettings
from promptknn.prediction.settings import PredictionSettings
from promptknn.section import Section, settings_hash
from promptknn.sources import DemoSource, PromptSource
from promptknn.tracking.settings import TrackingSettings
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
    "PolicySettings",
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
    terms_per_task: int = Field(default=2_000, ge=1)
    # Each Python worker holds unknown terms that are no more than this (some 100 bytes each); more
    # are joined, which shuffles the prompts.
    broadcast_below: int = Field(default=1_000_000, ge=0)


class CleaningSettings(Section):
    """What a prompt must be like (paper, section 3.1: empty, NaN, exceptional, non-English)."""

    minimum_characters: int = Field(default=3, ge=1)
    maximum_characters: int = Field(default=1000, ge=1)
    languages: tuple[str, ...] = ("en",)
    # Identification of a few words is a guess: "a zebra" is Breton with a score of 0.49.
    language_score: float = Field(default=0.5, ge=0, le=1)
    prompts_per_task: int = Field(default=50_000, ge=1)
    vocabulary: VocabularySettings = VocabularySettings()

    @model_validator(mode="after")
    def _ordered(self) -> "CleaningSettings":
        if self.minimum_characters > self.maximum_characters:
            raise ValueError("minimum_characters must not be above maximum_characters")
        return self


class PolicySettings(Section):
    """What the index must not hold, and so no prediction; nothing is forbidden by default.

    `terms` are words or phrases, found as whole words whatever their case. The others name columns
    of a source, as raw_prompts.metadata has them, whatever their case: `maximum_scores` the largest
    value of a score ({nsfw_score_opennsfw2: 0.3}), `allowed_classes` the values of a class ({NSFW:
    [UNLIKELY]}). A row without the column passes; a score that is no number does not.
    """

    terms: tuple[str, ...] = ()
    maximum_scores: dict[str, float] = Field(default_factory=dict)
    allowed_classes: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(
        default_factory=dict
    )

    @property
    def reads_metadata(self) -> bool:
        """Whether the other columns of a source's row are asked."""
        return bool(self.maximum_scores or self.allowed_classes)

    @field_validator("terms")
    @classmethod
    def _terms_say_something(cls, terms: tuple[str, ...]) -> tuple[str, ...]:
        if not all(term.strip() for term in terms):
            raise ValueError("a term is empty, which every prompt holds: remove it")
        return terms


class DeduplicationSettings(Section):
    """Near duplicates, which stay out of the index; `similarity: null` leaves them all in."""

    similarity: float | None = Field(default=0.9, gt=0, lt=1)  # paper, section 3.1
    prompts_per_block: int = Field(default=200_000, ge=1)
    # Above so many prompts, lists of an inverted file are compared instead of all pairs.
    exact_below: int = Field(default=100_000, ge=0)
    target_recall: float = Field(default=0.999, gt=0, le=1)


class Settings(OnlineSettings):
    """The whole tree."""

    sources: tuple[PromptSource, ...] = Field(default=(DemoSource(),), min_length=1)
    cleaning: CleaningSettings = CleaningSettings()
    policy: PolicySettings = PolicySettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    deduplication: DeduplicationSettings = DeduplicationSettings()
    generation: GenerationSettings = GenerationSettings()
    splits: Splits = Splits()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    tracking: TrackingSettings = TrackingSettings()
    spark: SparkSettings = SparkSettings()

    @model_validator(mode="after")
    def _distinct_sources(self) -> "Settings":
        names = [source.label for source in self.sources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two sources are called '{name}': give each a `name` of its own")
        return self
