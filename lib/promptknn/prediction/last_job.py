"""What a lake's last job says of predictions: the settings it ran with, and their calibration."""

import json
from collections.abc import Sequence
from pathlib import Path

from promptknn.evaluation.calibration import Calibration
from promptknn.lake_reader import LakeReader
from promptknn.online_settings import OnlineSettings
from promptknn.settings_file import Tree, online_settings
from promptknn.tables import CALIBRATIONS, JOB_RUNS

_STAGES = ("build_index", "predict_prompts")


def settings_of_last_job(reader: LakeReader, overrides: Sequence[str] = ()) -> OnlineSettings:
    """Read the settings of the last job that built or searched an index; else the defaults.

    The lake is the one that is read, wherever it lay then; the cache is this host's.

    Raises:
        SettingsError: an override is wrong, or another promptknn wrote keys this one has not.
    """
    tree = _last_tree(reader)
    tree["lake"] = reader.location
    index = tree.get("index")
    if isinstance(index, dict):
        index["cache"] = None
    return online_settings(tree, Path(reader.location) / JOB_RUNS.name, overrides)


def _last_tree(reader: LakeReader) -> Tree:
    if not reader.has(JOB_RUNS):
        return {}
    of_stages = [("stage", "in", _STAGES), ("status", "!=", "failed")]
    rows = reader.read(JOB_RUNS, ["settings", "started_at"], of_stages).to_pylist()
    if not rows:
        return {}
    tree: Tree = json.loads(max(rows, key=lambda row: row["started_at"])["settings"])
    return tree


def latest_calibration(reader: LakeReader, settings_hash: str) -> Calibration | None:
    """Find the latest calibration of some settings, as the job does; None where there is none."""
    if not reader.has(CALIBRATIONS):
        return None
    names = ["intercept", "similarity", "agreement", "calibrated_at"]
    rows = reader.read(CALIBRATIONS, names, [("settings_hash", "=", settings_hash)]).to_pylist()
    if not rows:
        return None
    latest = max(rows, key=lambda row: row["calibrated_at"])
    return Calibration(latest["intercept"], latest["similarity"], latest["agreement"])
