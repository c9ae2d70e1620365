"""Files of generated pictures: where they lie, and how they are written."""

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
from PIL import Image

from promptknn.errors import GenerationError, SettingsError
from promptknn.locations import folder_for_all
from promptknn.settings import Settings

_FOLDER = "prompt_images_files"
# The prompt_id in the name of a picture, as SQL; empty for other images.
PROMPT_OF_PICTURE = r"regexp_extract(image_uri, '([0-9a-f]{32})-[0-9]+[.]png$', 1)"


def pictures_location(settings: Settings) -> Path:
    """Give the folder under which pictures lie, each generator's in one of its own.

    Raises:
        MissingInputError: the lake is a catalog schema and no folder is named.
        SettingsError: the folder is a URI, which pictures cannot be written to.
    """
    given, key = settings.generation.location, "generation.location"
    location = folder_for_all(settings.lake, given, _FOLDER, "pictures need", key)
    if ":/" in location:
        raise SettingsError(
            f"Pictures cannot be written to {location}: set `generation.location` to a folder "
            f"that all hosts see (a Volume, NFS, or a mounted bucket)."
        )
    return Path(location)


def picture_name(generator: str, prompt_id: str, number: int) -> str:
    """Name a picture's file under the location, in one of 256 folders of its generator."""
    return f"{generator}/{prompt_id[:2]}/{prompt_id}-{number}.png"


def pictures_of(location: Path, prompt_id: str) -> list[Path]:
    """Find the pictures of a prompt, whichever generator made them; those without a row too.

    What a killed writer has left of one is among them.
    """
    names = f"{prompt_id}-*.png", f".{prompt_id}-*.part"
    found = (location.glob(f"*/{prompt_id[:2]}/{name}") for name in names)
    return sorted(chain.from_iterable(found))


def save_picture(image: Image.Image, path: Path) -> int:
    """Write a PNG that is seen whole or not at all, over one that a killed run left.

    Returns:
        The size of the file.

    Raises:
        GenerationError: the folder is full or may not be written.
    """
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            image.save(file, format="PNG")
            file.flush()
            os.fsync(file.fileno())
        size = part.stat().st_size
        part.replace(path)
    except OSError as error:
        raise GenerationError(
            f"No picture can be written to {path.parent} ({error.strerror or error}): make room "
            f"there, or set `generation.location` to another folder."
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()
    return size


def with_file(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Give prompt_id and number of the rows of prompt_images whose file is there."""
    for batch in batches:
        there = [Path(uri).is_file() for uri in batch.column("image_uri").to_pylist()]
        yield batch.filter(pa.array(there, pa.bool_())).select(["prompt_id", "number"])
