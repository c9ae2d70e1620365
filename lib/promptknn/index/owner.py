"""Whose an index location is: one lake's alone, whose jobs delete what its tables do not name."""

from pathlib import Path

from promptknn.errors import SettingsError, StorageError
from promptknn.index.version import index_location
from promptknn.locations import is_path
from promptknn.online_settings import OnlineSettings

_FILE = "lake"


def is_own(settings: OnlineSettings) -> bool:
    """Tell whether the index location is this lake's: inside its folder, or claimed for it."""
    location = index_location(settings)
    if is_path(settings.lake) and location.is_relative_to(settings.lake):
        return True
    return _owner(location) == settings.lake


def claim(settings: OnlineSettings) -> None:
    """Claim the index location, which must be there, for the lake.

    Raises:
        SettingsError: it is another lake's.
        StorageError: nothing can be written there.
    """
    if is_own(settings):
        return
    location = index_location(settings)
    owner = _owner(location)
    if owner is not None:
        raise SettingsError(
            f"The index location {location} is that of the lake {owner}, not of {settings.lake}: "
            f"set `index.location` to a folder of its own, or, where the lake has moved, delete "
            f"the file {location / _FILE}."
        )
    try:
        (location / _FILE).write_text(settings.lake, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"The index cannot be written to {location} ({error.strerror or error}): make room "
            f"there, or set `index.location` to another folder."
        ) from error


def _owner(location: Path) -> str | None:
    try:
        return (location / _FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
