import os
from pathlib import Path

import pytest
from pydantic import BaseModel

from promptknn import locations
from promptknn.errors import MissingInputError
from promptknn.locations import (
    CommandLineText,
    Location,
    PathLocation,
    absolute,
    default_cache,
    folder_for_all,
    is_path,
    package_path,
)


class _Holder(BaseModel):
    place: Location
    file: PathLocation = "./file"


def _resolved(value: str, base: Path) -> str:
    return _Holder.model_validate({"place": value}, context={"base": str(base)}).place


@pytest.mark.parametrize("location", ["./lake", "/data/lake", "a/b", ".", "..", "s3://bucket/x"])
def test_a_slash_makes_a_path(location: str) -> None:
    assert is_path(location)


@pytest.mark.parametrize("location", ["main.prompts", "lake", "hive_metastore.a.b"])
def test_no_slash_makes_a_catalog_name(location: str) -> None:
    assert not is_path(location)


def test_a_relative_path_starts_at_the_settings_file() -> None:
    assert _resolved("../lake", Path("/project/conf")) == "/project/lake"


def test_a_relative_path_of_the_command_line_starts_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = _resolved(CommandLineText("./lake"), Path("/project/conf"))
    assert found == os.path.normpath(tmp_path / "lake")


def test_without_a_settings_file_paths_start_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _Holder(place="./lake").place == os.path.normpath(tmp_path / "lake")


@pytest.mark.parametrize(
    "location", ["/data/lake", "s3://bucket/lake", "dbfs:/lake", "main.prompts", "abfss://c@a/x"]
)
def test_absolute_paths_uris_and_names_stay_as_they_are(location: str) -> None:
    assert absolute(location, Path("/base")) == location


def test_a_file_uri_becomes_a_path() -> None:
    assert absolute("file:///data/lake", Path("/base")) == "/data/lake"


def test_the_home_folder_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert absolute("~/lake", Path("/base")) == "/home/someone/lake"


def test_a_package_path_lies_in_the_installed_package() -> None:
    assert Path(absolute("package:skimage/data/chelsea.png", Path("/base"))).is_file()
    assert (Path(package_path("package:skimage")) / "__init__.py").is_file()


def test_a_missing_package_is_named_with_the_cure() -> None:
    with pytest.raises(MissingInputError, match=r"'no_such_package'.*install promptknn's extra"):
        package_path("package:no_such_package/data")


def test_a_value_that_is_no_text_is_left_to_the_type_check() -> None:
    with pytest.raises(ValueError, match="valid string"):
        _Holder.model_validate({"place": 3})


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("a.csv", "/project/conf/a.csv"),
        ("*.png", "/project/conf/*.png"),
        ("../a.csv", "/project/a.csv"),
        ("/data/a.csv", "/data/a.csv"),
        ("s3://bucket/a.csv", "s3://bucket/a.csv"),
        ("file:///data/a.csv", "/data/a.csv"),
    ],
)
def test_where_no_name_can_be_meant_a_bare_name_is_a_path(value: str, path: str) -> None:
    found = _Holder.model_validate(
        {"place": "a.csv", "file": value}, context={"base": "/project/conf"}
    )
    assert (found.place, found.file) == ("a.csv", path)


def test_a_bare_name_of_the_command_line_starts_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = _Holder.model_validate(
        {"place": "x", "file": CommandLineText("a.csv")}, context={"base": "/project/conf"}
    )
    assert found.file == os.path.normpath(tmp_path / "a.csv")


def test_a_bare_package_lies_where_it_is_installed() -> None:
    found = _Holder.model_validate({"place": "x", "file": "package:skimage"})
    assert found.file == package_path("package:skimage")


def test_the_default_cache_is_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locations.getpass, "getuser", lambda: "someone")
    assert default_cache().endswith("promptknn-someone")


def test_a_folder_for_all_hosts_is_set_or_lies_in_a_lake_of_files() -> None:
    need = ("index", "shards need", "index.location")
    assert folder_for_all("main.prompts", "/volume", *need) == "/volume"
    assert folder_for_all("/data/lake", None, *need) == "/data/lake/index"
    with pytest.raises(MissingInputError, match=r"so shards need a folder .*: set `index\.loc"):
        folder_for_all("main.prompts", None, *need)


def test_a_lake_of_one_word_may_have_been_meant_for_a_folder() -> None:
    need = ("index", "shards need", "index.location")
    with pytest.raises(MissingInputError, match=r"instance, or write \./mylake for a folder\.$"):
        folder_for_all("mylake", None, *need)
    with pytest.raises(MissingInputError, match=r"instance\.$"):
        folder_for_all("main.prompts", None, *need)
