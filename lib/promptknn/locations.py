"""Where things lie: paths relative to a settings file, files of packages, names in a catalog."""

import getpass
import os
import re
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo

from promptknn.errors import MissingInputError

PACKAGE_SCHEME = "package:"
_SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]+:")


class CommandLineText(str):
    """A value given with --set: its relative paths start at the working directory."""


def is_path(location: str) -> bool:
    """Tell a path or URI (it has a slash) from a name in a catalog (`catalog.schema`)."""
    return "/" in location or os.sep in location or location in (".", "..")


def folder_for_all(lake: str, given: str | None, inside: str, needs: str, key: str) -> str:
    """Give the folder that is set, or one inside the lake's: every host must see it.

    Args:
        lake: a folder, or a schema of a catalog.
        given: what the settings say.
        inside: its name in a lake that is a folder.
        needs: who needs it, for the sentence: "shards need".
        key: of the setting.

    Raises:
        MissingInputError: the lake is a schema, and no folder is set.
    """
    if given:
        return given
    if is_path(lake):
        return f"{lake}/{inside}"
    # A name without a dot may well have been meant for a folder.
    meant = "" if "." in lake else f", or write ./{lake} for a folder"
    raise MissingInputError(
        f"The lake {lake} is a schema, so {needs} a folder that all hosts see: set `{key}`, to a "
        f"Volume for instance{meant}."
    )


def package_path(location: str) -> str:
    """Give the file or folder behind `package:NAME/inner/path`.

    Raises:
        MissingInputError: the package is not installed.
    """
    package, _, inner = location.removeprefix(PACKAGE_SCHEME).partition("/")
    # find_spec looks only; importing clip_interrogator would import torch and transformers.
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingInputError(
            f"'{location}' needs the Python package '{package}', which is not installed: "
            f"install promptknn's extra `demo` or name another path."
        )
    root = Path(spec.submodule_search_locations[0])
    return str(root / inner) if inner else str(root)


def absolute(location: str, base: Path) -> str:
    """Make a relative path absolute; URIs, package paths and catalog names stay as they are."""
    if location.startswith(PACKAGE_SCHEME):
        return package_path(location)
    if _SCHEME.match(location) or not is_path(location):
        return location.removeprefix("file://") if location.startswith("file:///") else location
    return os.path.normpath(base / Path(location).expanduser())


def _resolve(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str):
        return value
    context = info.context or {}
    in_shell = isinstance(value, CommandLineText) or "base" not in context
    return absolute(str(value), Path.cwd() if in_shell else Path(context["base"]))


def _as_path(value: object) -> object:
    if isinstance(value, str) and value and not is_path(value) and not _SCHEME.match(value):
        return type(value)(f"./{value}")
    return value


def _as_list(value: object) -> object:
    # In a shell, [pictures/] is a pattern: zsh refuses it where no file fits.
    return [value] if isinstance(value, str) and value else value


Location = Annotated[str, BeforeValidator(_resolve)]
"""A path (absolute, or relative to the settings file), a URI, `package:NAME/path`, or a name."""

PathLocation = Annotated[Location, BeforeValidator(_as_path)]
"""A path, a URI or `package:NAME/path`, where no name in a catalog can be meant: a bare `a.csv` is
a file beside the settings file."""

PathLocations = Annotated[tuple[PathLocation, ...], BeforeValidator(_as_list)]
"""Paths; one text is a list of one. Lists of words are no such type: `en,de` would be one word."""


def default_cache() -> str:
    """Give a folder for what each host keeps: copies of indexes, and vectors of reference texts."""
    user = getpass.getuser() if hasattr(os, "getuid") else "user"
    return str(Path(tempfile.gettempdir()) / f"promptknn-{user}")
