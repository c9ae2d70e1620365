from datetime import UTC, datetime, timedelta
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from promptknn.encoders.models import Models
from promptknn.errors import MissingInputError, ModelMismatchError
from promptknn.index.fitted import Fitted
from promptknn.index.query_map import identity_map
from promptknn.index.version import LONGEST_BUILD, QUERY_MAP_FOLDER
from promptknn.index.without_spark import active_version, handle_of
from promptknn.lake_reader import LakeReader
from promptknn.settings import Settings
from promptknn.table import Table
from promptknn.tables import INDEX_SHARDS, INDEX_VERSIONS, REMOVED_PROMPTS
from tests.shards import prompt_ids, random_units, write_shard

KEYS = random_units(20, 8, seed=0)
MODELS = Models.of(Settings())
BUILT_AT = datetime(2026, 6, 1, tzinfo=UTC)
SHARDS = (slice(12, 20), slice(0, 12))


def _write(lake: Path, table: Table, rows: list[dict[str, object]]) -> None:
    write_deltalake(str(lake / table.name), pa.Table.from_pylist(rows), mode="append")


def _files(hashes: dict[str, str]) -> pa.Scalar:
    return pa.scalar(list(hashes.items()), pa.map_(pa.string(), pa.string()))


def _version(name: str, active: bool, files: dict[str, str]) -> dict[str, object]:
    return {
        "index_version": name, "clip_model": MODELS.clip_identity,
        "sentence_model": MODELS.sentence_identity, "rescoring_model": "none", "prompts": 20,
        "nprobe": 0, "k_factor": 4.0, "files": _files(files), "active": active,
        "built_at": BUILT_AT,
    }  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A lake whose index has two shards, recorded in an order that is not theirs."""
    lake = tmp_path / "lake"
    root = lake / "index" / "now"
    files = Fitted(identity_map(8), None, faiss.IndexFlatIP(8)).save(root / QUERY_MAP_FOLDER)
    _write(lake, INDEX_VERSIONS, [_version("before", False, files), _version("now", True, files)])
    rows: list[dict[str, object]] = []
    for number, chosen in enumerate(SHARDS):
        written = write_shard(root / f"shard-{number}", KEYS[chosen], prompt_ids(20)[chosen])
        row = {
            "shard_id": number, "path": f"now/shard-{number}", "bytes": written.bytes,
            "files": _files(written.files),
        }  # fmt: skip
        rows += [{"index_version": version, **row} for version in ("before", "now")]
    _write(lake, INDEX_SHARDS, rows[::-1])
    tree = {"lake": str(lake), "index": {"cache": str(tmp_path / "cache")}}
    return Settings.model_validate(tree)


def test_the_active_version_is_opened_with_its_shards_in_order(settings: Settings) -> None:
    reader = LakeReader(settings.lake)
    version = active_version(reader, settings, MODELS)
    assert version.index_version == "now"
    handle = handle_of(reader, settings, version)
    assert [Path(shard.path).name for shard in handle.shards] == ["shard-0", "shard-1"]
    assert handle.k_factor == 4.0
    index = handle.open()
    assert [shard.rows for shard in index.shards] == [8, 12]
    found = index.search(KEYS, 1)
    assert found.prompt_ids[:, 0].tolist() == prompt_ids(20)


def test_prompts_removed_since_its_build_began_are_not_found(settings: Settings) -> None:
    begun = BUILT_AT - LONGEST_BUILD
    times = [begun - timedelta(seconds=1), begun, BUILT_AT + timedelta(days=9)]
    _write(Path(settings.lake), REMOVED_PROMPTS, [
        {"prompt_id": prompt_id, "removed_at": at}
        for prompt_id, at in zip(prompt_ids(3), times, strict=True)
    ])  # fmt: skip
    reader = LakeReader(settings.lake)
    handle = handle_of(reader, settings, active_version(reader, settings, MODELS))
    assert sorted(handle.left_out) == prompt_ids(3)[1:]
    found = handle.open().search(KEYS[:3], 20).prompt_ids
    assert found.shape == (3, 18)
    assert not np.isin(found, prompt_ids(3)[1:]).any()


def test_an_index_of_other_models_is_refused(settings: Settings) -> None:
    other = Models(settings.clip, settings.sentence, "another", MODELS.sentence_identity)
    with pytest.raises(ModelMismatchError, match=r"set `clip\.model` back"):
        active_version(LakeReader(settings.lake), settings, other)


@pytest.mark.parametrize("recorded", [False, True])
def test_a_lake_without_an_active_index_is_told_the_job_to_run(
    tmp_path: Path, recorded: bool
) -> None:
    if recorded:
        _write(tmp_path, INDEX_VERSIONS, [_version("before", False, {"file": "a" * 64})])
    with pytest.raises(MissingInputError, match=r"no active index .*run jobs/build_index\.py"):
        active_version(LakeReader(str(tmp_path)), Settings(), MODELS)
