"""Reading settings: a YAML file, then `--set key=value`, then one clear sentence if it fails."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from promptknn.errors import SettingsError
from promptknn.locations import CommandLineText
from promptknn.masking import sounds_secret
from promptknn.online_settings import OFFLINE_SECTIONS, OnlineSettings

if TYPE_CHECKING:
    from promptknn.settings import Settings

Tree = dict[object, object]
SomeSettings = TypeVar("SomeSettings", bound=OnlineSettings)

_CURES = {
    "extra_forbidden": "no such key: check its spelling and its indentation",
    "missing": "it is required: add it",
    "union_tag_not_found": "it is of no kind: add its `kind`",
    "tuple_type": "it is a list: write it as [a, b]",
    "model_type": "it has keys of its own: write them below it, or leave it out",
    "model_attributes_type": "it has keys of its own: write them below it",
}


def load_settings(path: Path | None, overrides: Iterable[str] = ()) -> "Settings":
    """Read a settings file and lay the overrides over it.

    Args:
        path: a YAML file; None takes the defaults.
        overrides: texts such as `prediction.k=10` or `sources.0.path=a.csv`; values are YAML.

    Raises:
        SettingsError: naming the key at fault and the cure.
    """
    # Its sources know Spark, which must not be imported to predict for one picture.
    from promptknn.settings import Settings

    return _validated(Settings, _read(path) if path else {}, path, overrides)


def load_online_settings(path: Path | None, overrides: Iterable[str] = ()) -> OnlineSettings:
    """Read what the online stage needs of a settings file; sections of other stages are skipped.

    Args:
        path: a YAML file; None takes the defaults.
        overrides: texts as `load_settings` takes them, for the keys that are read.

    Raises:
        SettingsError: naming the key at fault and the cure.
    """
    return online_settings(_read(path) if path else {}, path, overrides)


def online_settings(tree: Tree, path: Path | None, overrides: Iterable[str] = ()) -> OnlineSettings:
    """Take what the online stage needs of a whole settings tree.

    Args:
        tree: as a settings file, or job_runs.settings, holds it.
        path: where it was read, for the sentence of a failure.
        overrides: laid over it.

    Raises:
        SettingsError: naming the key at fault and the cure.
    """
    online = {key: value for key, value in tree.items() if key not in OFFLINE_SECTIONS}
    return _validated(OnlineSettings, online, path, overrides)


def _validated(
    kind: type[SomeSettings], tree: Tree, path: Path | None, overrides: Iterable[str]
) -> SomeSettings:
    for override in overrides:
        _lay_over(tree, override)
    base = path.resolve().parent if path is not None else Path.cwd()
    try:
        return kind.model_validate(tree, context={"base": str(base)})
    except ValidationError as error:
        raise SettingsError(_sentence(error.errors()[0], tree, path)) from error


def _read(path: Path) -> Tree:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(
            f"--config {path}: there is no such file; name one that is, such as conf/local.yaml."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--config {path} cannot be read ({error}): mend the file.") from error
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        raise SettingsError(f"--config {path} is not valid YAML: {where}.") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise SettingsError(f"--config {path} must hold keys and values, such as `lake: ./lake`.")
    return tree


def _lay_over(tree: Tree, override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise SettingsError(f"--set {override}: write it as key=value, such as prediction.k=10.")
    try:
        value = _from_command_line(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise SettingsError(f"--set {override}: the value is not valid YAML.") from error
    node: object = tree
    *parents, last = key.split(".")
    for parent in parents:
        node = _child(node, parent, override)
    if isinstance(node, dict):
        node[last] = value
    elif isinstance(node, list) and last.isdigit() and int(last) < len(node):
        node[int(last)] = value
    else:
        raise SettingsError(f"--set {override}: '{last}' is no place in the settings.")


def _child(node: object, name: str, override: str) -> object:
    if isinstance(node, dict):
        if node.get(name) is None:
            node[name] = {}
        return node[name]
    if isinstance(node, list) and name.isdigit() and int(name) < len(node):
        return node[int(name)]
    raise SettingsError(f"--set {override}: '{name}' is no place in the settings.")


def _from_command_line(value: object) -> object:
    if isinstance(value, str):
        return CommandLineText(value)
    if isinstance(value, list):
        return [_from_command_line(item) for item in value]
    if isinstance(value, dict):
        return {key: _from_command_line(item) for key, item in value.items()}
    return value


def _sentence(error: ErrorDetails, tree: object, path: Path | None) -> str:
    key = ".".join(_key(error, tree))
    problem = _CURES.get(error["type"], error["msg"].removeprefix("Value error, "))
    shown = key and not isinstance(error["input"], dict | list) and not sounds_secret(key)
    given = f" (given: {error['input']!r})" if shown else ""
    subject = f"Setting '{key}'{given}" if key else "The settings"
    place = str(path) if path else "the defaults"
    return f"{subject} in {place} or --set: {problem}."


def _key(error: ErrorDetails, tree: object) -> Iterator[str]:
    node, last = tree, len(error["loc"]) - 1
    for number, part in enumerate(error["loc"]):
        if isinstance(node, dict):
            # pydantic puts the kind of a source, say, where the file has no key.
            unknown = number == last and error["type"] == "extra_forbidden"
            if part == node.get("kind") and not unknown:
                continue
            node = node.get(part)
        elif isinstance(node, list) and isinstance(part, int):
            node = node[part]
        yield str(part)
