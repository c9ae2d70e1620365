import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from promptknn.errors import SettingsError
from promptknn.evaluation.calibration import Calibration
from promptknn.lake_reader import LakeReader
from promptknn.online_settings import OnlineSettings
from promptknn.prediction.last_job import latest_calibration, settings_of_last_job
from promptknn.settings import Settings
from promptknn.tables import CALIBRATIONS, JOB_RUNS

Run = tuple[str, str, int]
SCHEMA = pa.schema({
    "stage": pa.string(),
    "status": pa.string(),
    "settings": pa.string(),
    "started_at": pa.timestamp("us", "UTC"),
})  # fmt: skip


def day(number: int) -> datetime:
    return datetime(2026, 1, number, tzinfo=UTC)


def tree(k: int) -> str:
    """Give settings as a job records them; the lake and its cache lay elsewhere then."""
    settings = {"lake": "/old/lake", "prediction": {"k": k}, "index": {"cache": "/old/cache"}}
    return Settings.model_validate(settings).model_dump_json()


def reader_of(lake: Path, runs: list[Run]) -> LakeReader:
    """Write job_runs: a stage, its status and k, a run a day."""
    rows = [
        {"stage": stage, "status": status, "settings": tree(k), "started_at": day(number)}
        for number, (stage, status, k) in enumerate(runs, 1)
    ]
    # The latest run stands first: the order of rows says nothing.
    write_deltalake(str(lake / JOB_RUNS.name), pa.Table.from_pylist(rows[::-1], SCHEMA))
    return LakeReader(str(lake))


@pytest.mark.parametrize(
    ("later", "k"),
    [
        (("predict_prompts", "succeeded", 2), 2),
        (("build_index", "unchanged", 2), 2),
        (("predict_prompts", "failed", 2), 1),
        (("evaluate", "succeeded", 2), 1),
    ],
)
def test_the_last_job_that_built_or_searched_and_did_not_fail_counts(
    tmp_path: Path, later: Run, k: int
) -> None:
    reader = reader_of(tmp_path, [("predict_prompts", "succeeded", 1), later])
    assert settings_of_last_job(reader).prediction.k == k


def test_the_lake_is_the_one_that_is_read_and_the_cache_this_hosts(tmp_path: Path) -> None:
    found = settings_of_last_job(reader_of(tmp_path, [("build_index", "succeeded", 1)]))
    assert (found.lake, found.index.cache) == (str(tmp_path), None)


def test_overrides_are_laid_over_the_jobs_settings(tmp_path: Path) -> None:
    reader = reader_of(tmp_path, [("build_index", "succeeded", 1)])
    assert settings_of_last_job(reader, ["prediction.w1=0.5"]).prediction.w1 == 0.5
    with pytest.raises(SettingsError, match=r"'prediction\.k' \(given: 0\)"):
        settings_of_last_job(reader, ["prediction.k=0"])


@pytest.mark.parametrize("runs", [None, [], [("evaluate", "succeeded", 1)]])
def test_without_such_a_job_the_defaults_count(tmp_path: Path, runs: list[Run] | None) -> None:
    reader = LakeReader(str(tmp_path)) if runs is None else reader_of(tmp_path, runs)
    assert settings_of_last_job(reader) == OnlineSettings(lake=str(tmp_path))


def test_a_key_of_another_promptknn_is_named_with_where_it_stands(tmp_path: Path) -> None:
    written = json.loads(tree(1))
    written["prediction"]["sharpness"] = 3
    rows = {
        "stage": ["build_index"],
        "status": ["succeeded"],
        "settings": [json.dumps(written)],
        "started_at": [day(1)],
    }
    write_deltalake(str(tmp_path / JOB_RUNS.name), pa.table(rows))
    with pytest.raises(SettingsError, match=r"'prediction\.sharpness'.* in .*/job_runs"):
        settings_of_last_job(LakeReader(str(tmp_path)))


def test_the_latest_calibration_of_the_settings_counts(tmp_path: Path) -> None:
    rows = {
        "settings_hash": ["ours", "ours", "others"],
        "intercept": [0.2, 0.1, 0.3],
        "similarity": [2.0, 1.0, 3.0],
        "agreement": [20.0, 10.0, 30.0],
        "calibrated_at": [day(2), day(1), day(3)],
    }
    write_deltalake(str(tmp_path / CALIBRATIONS.name), pa.table(rows))
    reader = LakeReader(str(tmp_path))
    assert latest_calibration(reader, "ours") == Calibration(0.2, 2.0, 20.0)
    assert latest_calibration(reader, "unknown") is None


def test_a_lake_that_was_never_calibrated_has_no_calibration(tmp_path: Path) -> None:
    assert latest_calibration(LakeReader(str(tmp_path)), "ours") is None
