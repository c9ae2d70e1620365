"""Whose an index location is: one lake's alone, whose jobs delete what its tables do not name."""

from pathlib import Path

from promptknn.errors import SettingsError
from promptknn.index.build_lock import unwritable
from promptknn.index.version import index_location
from promptknn.locations import is_path
from promptknn.online_settings import OnlineSettings

_FILE = "promptknn-lake.txt"


def is_own(settings: OnlineSettings) -> bool:
    """Tell whether the index location is this lake's: inside its folder, or claimed for it."""
    location = index_location(settings)
    # Whatever the file says: a lake may be moved, and its index with it.
    return _is_inside(location, settings.lake) or _owner(location) == settings.lake


def claim(settings: OnlineSettings) -> None:
    """Claim the index location, which must be there, for the lake.

    Raises:
        SettingsError: it is another lake's.
        StorageError: nothing can be written there.
    """
    location = index_location(settings)
    owner = _owner(location)
    if owner is not None:
        if is_own(settings):
            return
        raise SettingsError(
            f"The index location {location} is that of the lake {owner}, not of {settings.lake}: "
            f"set `index.location` to a folder of its own, or, where the lake has moved, delete "
            f"the file {location / _FILE}."
        )
    unfinished = location / f"{_FILE}.unfinished"
    try:
        unfinished.write_text(settings.lake, encoding="utf-8")
        unfinished.replace(location / _FILE)
    except OSError as error:
        raise unwritable(location, error) from error


def _is_inside(location: Path, lake: str) -> bool:
    return is_path(lake) and location.is_relative_to(lake)


def _owner(location: Path) -> str | None:
    try:
        return (location / _FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
