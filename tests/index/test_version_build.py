from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import Row
from pyspark.sql import functions as F

from promptknn.arrow_vectors import to_arrow
from promptknn.encoders.models import Models
from promptknn.errors import RecallError
from promptknn.index.factory import FLAT, train
from promptknn.index.fitted import Fitted
from promptknn.index.growth import Growth
from promptknn.index.query_map import identity_map
from promptknn.index.tuned import Tuned
from promptknn.index.tuning import Tuner
from promptknn.index.version import QUERY_MAP_FOLDER, index_location
from promptknn.index.version_build import Missed, VersionBuild
from promptknn.lake import Lake
from promptknn.lake_reader import LakeReader
from promptknn.settings import Settings
from promptknn.stage import Context
from promptknn.tables import IMAGE_EMBEDDINGS, INDEX_SHARDS, INDEX_VERSIONS, PROMPT_EMBEDDINGS
from tests.rows import add_rows
from tests.shards import random_units, write_shard

DIM = 8
OLD = [start.ljust(32, "0") for start in ("40000000", "c0000000")]
# At the edges of two ranges of the first 32 bits.
NEW = [start.ljust(32, "f") for start in ("00000000", "7fffffff", "80000000", "ffffffff")]
KEYS = random_units(6, DIM, seed=0)
TABLES = (INDEX_VERSIONS, INDEX_SHARDS, IMAGE_EMBEDDINGS, PROMPT_EMBEDDINGS)
BASE = Row(index_version="base", factory=FLAT, fitted_prompts=2)


@pytest.fixture
def whole(lake: Lake, tmp_path: Path) -> VersionBuild:
    """A version of six prompts by a CLIP model, nothing of which is there yet."""
    tree = {
        "lake": lake.location,
        "clip": {"model": "ViT-B-32"},
        "index": {"rows_per_shard": 2, "distribution": "files", "cache": str(tmp_path / "cache")},
    }
    settings = Settings.model_validate(tree)
    context = Context(lake.spark, lake, settings, lambda done, total: None)
    ids, vectors = [*OLD, *NEW], to_arrow(KEYS)
    columns = {"prompt_id": ids, "text": ids}
    columns |= {"clip_embedding": vectors, "sentence_embedding": vectors}
    pool, models = lake.spark.createDataFrame(pa.table(columns)), Models.of(settings)
    tuner = Tuner(context, models, pool, k=3)
    return VersionBuild(context, tuner, models, None, pool, 6, "digest", "identity", None, None)


def growth(build: VersionBuild, base: Row = BASE, files: dict[str, str] | None = None) -> Growth:
    pending = build.pool.where(F.col("prompt_id").isin(NEW))
    row = Row(shard_id=3, prompts=2, path="base/shard-00003", bytes=1, files=files or {})
    return Growth(base, [row], pending, len(NEW))


def missed(version: str, factory: str = FLAT) -> Missed:
    tuned = Tuned(nprobe=0, k_factor=None, recall=0.5, k=3, judged_by="6 prompts")
    return Missed(Row(index_version=version, factory=factory), tuned)


def ids_of(shard: Path) -> list[str]:
    with pa.memory_map(str(shard / "prompts.arrow")) as file:
        ids: list[str] = pa.ipc.open_file(file).read_all()["prompt_id"].to_pylist()
    return ids


def test_a_version_is_named_by_what_it_holds_and_what_it_comes_from(whole: VersionBuild) -> None:
    assert whole.version == "identity"
    other = Row(index_version="other", factory=FLAT, fitted_prompts=2)
    builds = [
        whole,
        replace(whole, identity="another"),
        replace(whole, growth=growth(whole)),
        replace(whole, growth=growth(whole, other)),
        replace(whole, missed=missed("base")),
        replace(whole, missed=missed("other")),
        replace(whole, identity="another", missed=missed("other")),
    ]
    assert len({build.version for build in builds}) == len(builds)
    # The same again for the same run: how much is written is of no account.
    again = replace(whole, growth=replace(growth(whole), kept=[], rows=6))
    assert again.version == builds[2].version
    root = index_location(whole.context.settings)
    assert [build.folder for build in builds] == [root / build.version for build in builds]


def test_a_grown_version_keeps_shards_and_cuts_new_prompts_by_ranges_of_their_ids(
    whole: VersionBuild,
) -> None:
    lake, root = whole.context.lake, index_location(whole.context.settings)
    lake.create(TABLES)
    fitted = Fitted(identity_map(DIM), None, train(FLAT, KEYS))
    fitted.save(root / "base" / QUERY_MAP_FOLDER)
    files = write_shard(root / "base" / "shard-00003", KEYS[:2], OLD).files
    build = replace(whole, growth=growth(whole, files=files))
    add_rows(lake, INDEX_VERSIONS, [{"index_version": "base"}])
    # A build of the same version was killed when it had recorded more shards than there are now.
    left = {"shard_id": 9, "path": f"{build.version}/shard-00009", "files": {}}
    kept = {"shard_id": 3, "path": "base/shard-00003", "files": files, "prompts": 2}
    of = [(build.version, left), (build.version, kept), ("base", kept)]
    add_rows(lake, INDEX_SHARDS, [{**row, "index_version": name} for name, row in of])
    (root / left["path"]).mkdir(parents=True)

    counts = build.run()
    assert "6 prompts (4 written, 1 shards stay), Flat, identity query map" in counts.message
    names = ["shard_id", "path"]
    of_version = [("index_version", "=", build.version)]
    shards = LakeReader(lake.location).read(INDEX_SHARDS, names, of_version).to_pylist()
    held = {row["path"]: ids_of(root / row["path"]) for row in shards}
    assert sorted(row["shard_id"] for row in shards) == [3, 4, 5]
    assert held == {
        "base/shard-00003": OLD,
        f"{build.version}/shard-00004": NEW[:2],
        f"{build.version}/shard-00005": NEW[2:],
    }
    names = sorted(path.name for path in build.folder.iterdir())
    assert names == [QUERY_MAP_FOLDER, "shard-00004", "shard-00005"]
    columns = ["index_version", "grown_from", "fitted_prompts", "prompts", "recall", "active"]
    rows = LakeReader(lake.location).read(INDEX_VERSIONS, columns).to_pylist()
    grown, before = sorted(rows, key=lambda row: row["active"], reverse=True)
    assert tuple(grown.values()) == (build.version, "base", 2, 6, 1.0, True)
    assert (before["index_version"], before["active"]) == ("base", False)


def test_what_would_miss_the_recall_as_the_version_that_is_there_is_not_written(
    whole: VersionBuild,
) -> None:
    lake = whole.context.lake
    lake.create(TABLES)
    build = replace(whole, missed=missed("before"))
    with pytest.raises(RecallError, match=r"Index before has a measured recall@3 of 0\.500"):
        build.run()
    assert not build.folder.exists()
    assert [lake.version(table) for table in (INDEX_VERSIONS, INDEX_SHARDS)] == [0, 0]
