from pathlib import Path

import pytest

from promptknn.errors import SettingsError, StorageError
from promptknn.index.owner import claim, is_own
from promptknn.settings import Settings


def settings_of(lake: str, location: Path | None) -> Settings:
    index = {"location": str(location)} if location else {}
    return Settings.model_validate({"lake": lake, "index": index})


def test_a_location_inside_the_lake_is_its_own(tmp_path: Path) -> None:
    settings = settings_of(str(tmp_path / "lake"), None)
    assert is_own(settings)
    location = tmp_path / "lake" / "index"
    location.mkdir(parents=True)
    claim(settings)
    other = settings_of("main.dev", location)
    assert not is_own(other)
    with pytest.raises(SettingsError, match=r"set `index\.location`"):
        claim(other)
    (tmp_path / "lake").rename(tmp_path / "moved")
    moved = settings_of(str(tmp_path / "moved"), None)
    claim(moved)
    assert is_own(moved)


def test_a_location_is_the_lake_s_that_claimed_it_first(tmp_path: Path) -> None:
    first, second = (settings_of(lake, tmp_path) for lake in ("main.prod", "main.dev"))
    assert not is_own(first)
    claim(first)
    claim(first)
    assert is_own(first)
    assert not is_own(second)
    with pytest.raises(SettingsError, match=r"of the lake main\.prod.*set `index\.location`"):
        claim(second)


def test_a_location_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"set `index\.location`"):
        claim(settings_of("main.prod", tmp_path / "none"))
