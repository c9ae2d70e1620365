"""What the user sees while Spark works: a live line on a terminal, log lines elsewhere."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from promptknn.console import wide_console
from promptknn.stage import Counts

_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_BETWEEN_LINES = 15.0


class Display:
    """Shows stages on a rich console."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or wide_console()

    @contextmanager
    def stage(self, name: str, spark: SparkSession) -> Iterator[Callable[[int, int], None]]:
        """Show a stage while it runs; gives the function that takes (rows done, rows in all)."""
        state = _State(name)
        stop = threading.Event()
        watch = self._bar if self.console.is_terminal else self._lines
        watcher = threading.Thread(target=watch, args=(state, _tasks(spark), stop), daemon=True)
        watcher.start()
        try:
            yield state.rows
        finally:
            stop.set()
            watcher.join()

    def done(self, name: str, counts: Counts, seconds: float) -> None:
        """Say what a stage did."""
        message = counts.message or f"{counts.rows_out:,} rows written"
        line = Text.assemble((name, "bold"), f": {message} ({seconds:.1f} s)")
        self.console.print(line, soft_wrap=True)
        if counts.details is not None:
            self.console.print(counts.details)

    def _bar(self, state: "_State", tasks: Callable[[], str], stop: threading.Event) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            bar = progress.add_task(state.name, total=None, detail="")
            while not stop.wait(_SECONDS_BETWEEN_LOOKS):
                total = state.total or None
                progress.update(
                    bar, completed=state.finished, total=total, detail=state.text(tasks())
                )

    def _lines(self, state: "_State", tasks: Callable[[], str], stop: threading.Event) -> None:
        while not stop.wait(_SECONDS_BETWEEN_LINES):
            seconds = time.monotonic() - state.started
            text = f"{state.name}: {state.text(tasks())} after {seconds:.0f} s"
            self.console.print(text, highlight=False)


class _State:
    def __init__(self, name: str) -> None:
        self.name = name
        self.started = time.monotonic()
        self.finished = 0
        self.total = 0

    def rows(self, finished: int, total: int) -> None:
        self.finished, self.total = finished, total

    def text(self, tasks: str) -> str:
        rows = f"{self.finished:,} of {self.total:,} rows" if self.total else "working"
        return f"{rows}, {tasks}" if tasks else rows


def _tasks(spark: SparkSession) -> Callable[[], str]:
    """Tell how many of Spark's tasks are done, where the session has a SparkContext."""
    try:
        tracker = spark.sparkContext.statusTracker()
    except (PySparkException, AttributeError):
        return lambda: ""

    def look() -> str:
        # A process that has ended is the stage's failure, and said there.
        with suppress(Exception):
            return counted()
        return ""

    def counted() -> str:
        stages = [tracker.getStageInfo(number) for number in tracker.getActiveStageIds()]
        known = [stage for stage in stages if stage is not None]
        done = sum(stage.numCompletedTasks for stage in known)
        every = sum(stage.numTasks for stage in known)
        return f"{done} of {every} tasks" if every else ""

    return look
