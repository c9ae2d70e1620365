"""What a stage of the pipeline is, and what it may use."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pyspark.sql import SparkSession
from rich.console import RenderableType

from promptknn.lake import Lake
from promptknn.settings import Settings
from promptknn.table import Table


@dataclass
class Counts:
    """What a stage did: goes into job_runs and onto the terminal.

    `details` (a rich table, say) is shown below the message. Where runs are tracked, `figures` (a
    value a name) and `pictures` are logged with the counts.
    """

    rows_in: int = 0
    rows_out: int = 0
    rows_rejected: int = 0
    message: str = ""
    details: RenderableType | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    pictures: tuple[Path, ...] = ()

    def __add__(self, other: "Counts") -> "Counts":
        """Put together what two parts of a stage did."""
        return Counts(
            self.rows_in + other.rows_in,
            self.rows_out + other.rows_out,
            self.rows_rejected + other.rows_rejected,
            "; ".join(part.message for part in (self, other) if part.message),
            self.details or other.details,
            {**self.figures, **other.figures},
            self.pictures + other.pictures,
        )


@dataclass(frozen=True)
class StageRun:
    """One run of a stage, for those who keep its history.

    Attributes:
        stage: its name.
        run_id: of the job; all stages of a job share it.
        settings: the whole tree as JSON, secrets masked.
        inputs: version of each input table that was there.
        started: when.
        seconds: how long it took.
        counts: what it did.
        error: what stopped it, or None.
    """

    stage: str
    run_id: str
    settings: str
    inputs: Mapping[str, int]
    started: datetime
    seconds: float
    counts: Counts
    error: str | None

    @property
    def status(self) -> str:
        """`failed`, `succeeded`, or `unchanged` where there was nothing to do."""
        return "failed" if self.error else "succeeded" if self.counts.rows_in else "unchanged"


@dataclass(frozen=True)
class Context:
    """What a stage works with.

    Attributes:
        spark: the session.
        lake: reads and writes tables.
        settings: the whole tree.
        progress: called with (rows done, rows in all) as a stage goes on.
    """

    spark: SparkSession
    lake: Lake
    settings: Settings
    progress: Callable[[int, int], None]


class Stage(ABC):
    """One step of the pipeline.

    The runner creates the output tables, times the stage, shows its progress and writes job_runs;
    `run` plans what is missing and writes it through the lake.
    """

    name: str
    inputs: tuple[Table, ...] = ()
    outputs: tuple[Table, ...] = ()

    def check(self, settings: Settings) -> None:  # noqa: ARG002 - most stages need no look
        """Look, before Spark starts, for what would make the stage fail after hours of work.

        Raises:
            PromptKnnError: a model of the settings cannot be had, say.
        """
        return

    @abstractmethod
    def run(self, context: Context) -> Counts:
        """Bring the output tables up to date.

        Returns:
            Counts; `rows_in` 0 means that there was nothing to do.
        """
