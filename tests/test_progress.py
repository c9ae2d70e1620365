import io
import time

import pytest
from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table

from promptknn import progress
from promptknn.progress import Display
from promptknn.stage import Counts

TRIES, PAUSE = 200, 0.05


def shown(out: io.StringIO, text: str) -> bool:
    for _ in range(TRIES):
        if text in out.getvalue():
            return True
        time.sleep(PAUSE)
    return False


@pytest.mark.parametrize("terminal", [True, False])
def test_running_stage_shows_its_rows(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.02)
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LOOKS", 0.02)
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120)
    with Display(console).stage("embed_prompts", spark) as rows:
        rows(1000, 21000)
        assert shown(out, "1,000 of 21,000 rows")
        assert "embed_prompts" in out.getvalue()


def test_done_stage_shows_message_seconds_and_details() -> None:
    out = io.StringIO()
    details = Table("image")
    details.add_row("chelsea.png")
    counts = Counts(rows_in=3, rows_out=3, message="3 images predicted", details=details)
    Display(Console(file=out, width=120)).done("predict_prompts", counts, 1.25)
    assert "predict_prompts: 3 images predicted (1.2 s)" in out.getvalue()
    assert "chelsea.png" in out.getvalue()


def test_brackets_in_a_message_are_shown() -> None:
    out = io.StringIO()
    counts = Counts(message="3 images of /photographs[/b] predicted")
    Display(Console(file=out, width=120)).done("predict_prompts", counts, 1.25)
    assert "3 images of /photographs[/b] predicted" in out.getvalue()
