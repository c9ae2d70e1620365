"""Every setting, in one frozen tree; the paper's numbers stand here once, with their source."""

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from promptknn.evaluation.splits import Splits
from promptknn.locations import Location, PathLocation
from promptknn.prediction.combination import Combination, Space, Weighting
from promptknn.section import Section
from promptknn.sources import DemoSource, PromptSource
from promptknn.training.settings import TrainingSettings


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


class ClipSettings(Section):
    """The model that puts images and prompts into one space."""

    model: str = "package-default"
    pretrained: str | None = None
    batch_size: int = Field(default=64, ge=1)
    views: Literal[1, 2, 5, 11] = 11


class SentenceSettings(Section):
    """The Sentence Transformer in whose space prompts are predicted and scored."""

    model: str = "all-MiniLM-L6-v2"
    batch_size: int = Field(default=64, ge=1)


class EmbeddingSettings(Section):
    """How much one wave holds: what a killed job can lose."""

    prompts_per_wave: int = Field(default=100_000, ge=1)
    images_per_wave: int = Field(default=20_000, ge=1)
    prompts_per_task: int = Field(default=2_000, ge=1)
    images_per_task: int = Field(default=32, ge=1)


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
    target_recall: float = Field(default=0.99, gt=0, le=1)
    recall_queries: int = Field(default=256, ge=1)
    query_map: Literal["auto", "identity", "centred", "ridge", "conse"] = "auto"
    distribution: Literal["auto", "broadcast", "files"] = "auto"
    broadcast_below_bytes: int = Field(default=2_000_000_000, ge=0)
    cache: PathLocation | None = None


class ImageSettings(Section):
    """The images to predict prompts for: files, folders, globs, or a table with a URI column."""

    paths: tuple[PathLocation, ...] = ()
    table: Location | None = None
    uri_column: str = "image_uri"
    extensions: tuple[str, ...] = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff")
    maximum_megapixels: float = Field(default=178.0, gt=0)


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
    neighbours_kept: int = Field(default=10, ge=1)
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
        )

    @model_validator(mode="after")
    def _some_weight(self) -> "PredictionSettings":
        if self.w1 + self.w2 <= 0:
            raise ValueError("w1 and w2 must not both be 0")
        return self


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
