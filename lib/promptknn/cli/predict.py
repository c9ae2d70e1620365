"""`promptknn predict`: prompts for a few pictures, without Spark."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from promptknn.cli.process import wait_asleep
from promptknn.console import say, wide_console
from promptknn.errors import UnusableImageError
from promptknn.failures import BAD_INPUT
from promptknn.options import add_shared_options

if TYPE_CHECKING:
    from promptknn.prediction.prediction import Prediction
    from promptknn.prediction.prompt_index import PromptIndex

SUMMARY = "predict the prompts of a few pictures, without Spark"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="a picture's file")
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--lake",
        default="lake",
        metavar="FOLDER",
        help="where the jobs wrote their tables (default: ./lake); its last job's settings count",
    )
    place.add_argument("--config", type=Path, metavar="FILE", help="settings file (YAML) instead")
    add_shared_options(parser, "print one JSON line an image")


def run(options: argparse.Namespace) -> int:
    """Predict and print; pictures that cannot be read are named, and the others predicted.

    Returns:
        The exit code: 2 if a picture could not be read.
    """
    wait_asleep()
    index = _open(options)
    refused: list[str] = []
    if options.json:
        for image in options.images:
            found = _predicted(index, image, refused)
            line = found.to_json() if found else json.dumps({"image": image, "error": refused[-1]})
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    else:
        _show(_predicted(index, image, refused) for image in options.images)
    return BAD_INPUT if refused else 0


def _open(options: argparse.Namespace) -> "PromptIndex":
    # Imported once the arguments are known to be good.
    from promptknn.prediction.prompt_index import PromptIndex

    if options.config:
        return PromptIndex.of_config(options.config, options.overrides)
    return PromptIndex.open(options.lake, options.overrides)


def _predicted(index: "PromptIndex", image: str, refused: list[str]) -> "Prediction | None":
    try:
        return index.predict(image)[0]
    except UnusableImageError as error:
        refused.append(str(error))
        say(wide_console(), refused[-1])
        return None


def _show(predictions: "Iterator[Prediction | None]") -> None:
    from promptknn.prediction.predictions_table import predictions_table

    rows = [
        (found.image, found.predicted_prompt, [(n.similarity, n.prompt) for n in found.neighbours])
        for found in predictions
        if found
    ]
    if rows:
        wide_console(stderr=False).print(predictions_table(rows))
