"""The stage that writes the report's page."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from promptknn.errors import MissingInputError
from promptknn.extras import check_package
from promptknn.locations import is_path
from promptknn.report.content import Report
from promptknn.report.predictions import choose, distributions, latest_predictions
from promptknn.report.surroundings import accuracy, coverage, job_runs, rejections, settings_of
from promptknn.report.thumbnails import thumbnails
from promptknn.report.true_prompts import with_truths
from promptknn.settings import Settings
from promptknn.stage import Context, Counts, Stage
from promptknn.tables import PREDICTIONS

IMAGES = 60
_FILE = "report.html"


class WriteReport(Stage):
    """predictions, and what they come from -> one HTML page that asks nothing of the network."""

    name = "write_report"
    inputs = (PREDICTIONS,)

    def __init__(self, output: Path | None = None, images: int = IMAGES) -> None:
        """Say where to, and how much.

        Args:
            output: the file; None: report.html in the lake's folder.
            images: how many images the page holds at most.

        Raises:
            MissingInputError: no image is to be shown.
        """
        if images < 1:
            raise MissingInputError(f"--images is {images}: give 1 or more.")
        self._output = output
        self._images = images

    def check(self, settings: Settings) -> None:
        check_package("jinja2", "report", "The report")
        output_file(self._output, settings.lake)

    def run(self, context: Context) -> Counts:
        from promptknn.report.page import page

        output = output_file(self._output, context.settings.lake)
        report = gather(context, self._images)
        write_page(page(report), output)
        images, shown = report.facts.images, len(report.pictures)
        message = f"{shown:,} of {images:,} images shown in {output}"
        return Counts(rows_in=images, rows_out=shown, message=message)


def gather(context: Context, images: int) -> Report:
    """Gather what the page holds, with so many images at most.

    Raises:
        MissingInputError: there are no predictions.
    """
    lake, settings = context.lake, context.settings
    predictions = latest_predictions(lake)
    pictures, chosen = choose(predictions, images)
    pictures = with_truths(context.spark, settings.evaluation, pictures)
    small = thumbnails([picture.uri for picture in pictures], settings.images.maximum_megapixels)
    return Report(
        predictions.facts,
        [replace(one, thumbnail=uri) for one, uri in zip(pictures, small, strict=True)],
        chosen,
        distributions(predictions),
        coverage(lake, predictions),
        accuracy(lake, predictions),
        rejections(lake),
        job_runs(lake),
        settings_of(lake, predictions.run_id),
    )


def output_file(output: Path | None, lake: str) -> Path:
    """Give the file to write.

    Raises:
        MissingInputError: none is named, and the lake is no folder of this machine.
    """
    if output is not None:
        return output.absolute()
    if not is_path(lake) or ":/" in lake:
        raise MissingInputError(
            f"The lake {lake} is no folder of this machine: give `--output FILE` for the report."
        )
    return Path(lake) / _FILE


def write_page(html: str, output: Path) -> None:
    """Write a file that is seen whole or not at all.

    Raises:
        MissingInputError: its folder cannot be written to.
    """
    part = output.with_name(f".{output.name}.{uuid4().hex}.part")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(html, encoding="utf-8")
        part.replace(output)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise MissingInputError(
            f"The report cannot be written to {output} ({error.strerror}): give another "
            f"`--output FILE`."
        ) from error
