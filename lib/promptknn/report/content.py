"""What the report's page holds, gathered from the tables; all of it is bounded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Neighbour:
    """A neighbour of an image."""

    rank: int
    prompt: str
    similarity: float


@dataclass(frozen=True)
class Picture:
    """An image, what was predicted for it, and how sure that is.

    Attributes:
        uri: where the image was read.
        prompt: the predicted prompt.
        neighbours: the nearest prompts, best first.
        similarity: mean similarity of the neighbours.
        agreement: 1 where the neighbours say the same.
        confidence: expected cosine to the true prompt, once calibrated.
        cosine: to the true prompts, once evaluated.
        truths: the true prompts, where the settings name them.
        thumbnail: a data URI; None where the file cannot be read any more.
    """

    uri: str
    prompt: str
    neighbours: Sequence[Neighbour]
    similarity: float
    agreement: float
    confidence: float | None = None
    cosine: float | None = None
    truths: Sequence[str] = ()
    thumbnail: str | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self.uri.rstrip("/").rpartition("/")[2]


@dataclass(frozen=True)
class Bin:
    """Values from `low` (included) up to `high`."""

    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Distribution:
    """How a figure is spread over the images."""

    title: str
    meaning: str
    bins: Sequence[Bin]
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Favourite:
    """A prompt that many images have for a neighbour."""

    prompt: str
    images: int
    images_it_names: int


@dataclass(frozen=True)
class Coverage:
    """How much of the pool is any image's neighbour.

    Attributes:
        found: distinct prompts among the neighbours.
        nearest: distinct prompts that are some image's nearest.
        pool: prompts in the index; None where its row is gone.
        favourites: the prompts that most images have for a neighbour.
    """

    found: int
    nearest: int
    pool: int | None
    favourites: Sequence[Favourite]


@dataclass(frozen=True)
class Rejection:
    """Inputs refused for one reason, and one of them."""

    kind: str
    source: str
    reason: str
    items: int
    example: str


@dataclass(frozen=True)
class Accuracy:
    """A method's mean cosine to the true prompts, with its 95 % interval."""

    method: str
    mean: float
    low: float
    high: float
    images: int


@dataclass(frozen=True)
class JobRun:
    """A stage that ran."""

    started_at: datetime
    stage: str
    status: str
    rows_in: int
    rows_out: int
    rows_rejected: int
    seconds: float
    message: str


@dataclass(frozen=True)
class Facts:
    """What holds for all predictions of the report."""

    lake: str
    settings_hash: str
    clip_model: str
    sentence_model: str
    index_version: str
    k: int
    w1: float
    w2: float
    images: int
    predicted_at: datetime


@dataclass(frozen=True)
class Report:
    """The whole page.

    Attributes:
        facts: of the predictions.
        pictures: those shown.
        chosen: which images are shown, in words.
        distributions: of the figures that there are.
        coverage: of the pool.
        accuracy: as last evaluated; empty without true prompts.
        rejections: most frequent first.
        runs: latest first.
        settings: of the run that predicted, JSON, secrets masked; empty where its row is gone.
    """

    facts: Facts
    pictures: Sequence[Picture]
    chosen: str
    distributions: Sequence[Distribution]
    coverage: Coverage
    accuracy: Sequence[Accuracy]
    rejections: Sequence[Rejection]
    runs: Sequence[JobRun]
    settings: str
