"""A small real run: 400 prompts of the demo and three photographs of scikit-image."""

import getpass
import tempfile
from pathlib import Path

from promptknn.settings import Settings

PROMPTS = 400
# Shared by all runs: its files are named by what they hold.
CACHE = Path(tempfile.gettempdir()) / f"promptknn-tests-{getpass.getuser()}"
# Compiling the code of plans that see a few rows, and run once, costs more than it saves.
INTERPRETED = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
PHOTOGRAPHS = ("chelsea.png", "coffee.png", "rocket.jpg")


def small_tree(folder: Path) -> dict[str, object]:
    """Give the settings as a YAML file would hold them; the lake lies in `folder`/lake."""
    return {
        "lake": str(folder / "lake"),
        "sources": [{"kind": "demo", "prompts": PROMPTS}],
        # One view: what is tested here is the flow, not the accuracy.
        "clip": {"views": 1},
        "images": {"paths": [f"package:skimage/data/{name}" for name in PHOTOGRAPHS]},
        "index": {"cache": str(CACHE)},
        "prediction": {"k": 100},
        "spark": {"conf": INTERPRETED},
    }


def small_settings(folder: Path, **changes: object) -> Settings:
    """Give the settings, with some changed: `index__shards=8` sets index.shards."""
    return changed(Settings.model_validate(small_tree(folder)), **changes)


def changed(settings: Settings, **changes: object) -> Settings:
    """Give settings with some changed: `index__shards=8` sets index.shards."""
    tree = settings.model_dump()
    for key, value in changes.items():
        *parents, last = key.split("__")
        node = tree
        for parent in parents:
            node = node[parent]
        node[last] = value
    return Settings.model_validate(tree)
