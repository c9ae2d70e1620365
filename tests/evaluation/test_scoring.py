from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from promptknn.encoders.encoder import Vectors
from promptknn.evaluation import scoring
from promptknn.evaluation.scoring import score
from promptknn.index.factory import FLAT, train
from promptknn.index.query_map import FILE, identity_map
from promptknn.index.shard_writer import ShardWriter, sha256
from promptknn.index.version import QUERY_MAP_FOLDER, index_location
from promptknn.lake import Lake
from promptknn.prediction.combination import Combination
from promptknn.settings import Settings
from promptknn.stage import Context
from promptknn.tables import (
    IMAGE_EMBEDDINGS,
    INDEX_SHARDS,
    INDEX_VERSIONS,
    PROMPT_EMBEDDINGS,
    REJECTED_IMAGES,
)
from tests.hashing import DIM, HashingEncoder, HashingModels
from tests.rows import add_rows
from tests.shards import prompt_ids

BUS, BLUE, CAT, TREE = (
    "a red bus in a street", "a blue bus in a street", "a cat on a sofa", "a photograph of a tree",
)  # fmt: skip
KITTEN, TRANSPORT = "kitten sleeping on furniture", "people waiting for a bus"
POOL = (BUS, BLUE, CAT, TREE)
# image_id, image_uri, the day it was embedded, and what it looks like.
IMAGES = (
    ("c", "/a/cat.png", 3, CAT),
    ("a", "/a/cat.png", 1, TREE),  # what the file held before
    ("b", "/a/bus.png", 1, BUS),
    ("d", "/a/copied.png", 1, TREE),
    ("e", "/a/tram.png", 1, TREE),
)
TABLES = (INDEX_VERSIONS, INDEX_SHARDS, PROMPT_EMBEDDINGS, IMAGE_EMBEDDINGS, REJECTED_IMAGES)


def vectors(*texts: str) -> Vectors:
    return HashingEncoder().encode_texts(texts)


def write_index(lake: Lake, settings: Settings) -> None:
    models, folder = HashingModels.of(settings), index_location(settings) / "v"
    (folder / QUERY_MAP_FOLDER).mkdir(parents=True)
    identity_map(DIM).save(folder / QUERY_MAP_FOLDER)
    files = {FILE: sha256(folder / QUERY_MAP_FOLDER / FILE)}
    keys = vectors(*POOL)
    with ShardWriter(folder / "shard-00000", train(FLAT, keys)) as writer:
        writer.add(pa.array(prompt_ids(len(POOL))), pa.array(POOL), keys, keys)
        written = writer.finish()
    names = {"clip_model": models.clip_identity, "sentence_model": models.sentence_identity}
    version = {"index_version": "v", "nprobe": 0, "prompts": len(POOL), "files": files}
    add_rows(lake, INDEX_VERSIONS, [{**version, **names}])
    shard = {"index_version": "v", "shard_id": 0, "path": "v/shard-00000", **vars(written)}
    add_rows(lake, INDEX_SHARDS, [shard])
    embedded = [
        {**names, "prompt_id": name, "sentence_embedding": key.tolist(), "sentence_dim": DIM}
        for name, key in zip(prompt_ids(len(POOL)), keys, strict=True)
    ]
    add_rows(lake, PROMPT_EMBEDDINGS, embedded)


def add_images(lake: Lake, clip_model: str) -> None:
    rows = [
        {
            "image_id": name * 64,
            "clip_model": clip_model,
            "image_uri": uri,
            "embedding": vectors(text)[0].tolist(),
            "dim": DIM,
            "embedded_at": datetime(2026, 1, day, tzinfo=UTC),
        }
        for name, uri, day, text in IMAGES
    ]
    add_rows(lake, IMAGE_EMBEDDINGS, rows)
    copied = {"image_uri": "/a/copied.png", "clip_model": clip_model, "reason": "duplicate_image"}
    add_rows(lake, REJECTED_IMAGES, [{**copied, "rejected_at": datetime(2026, 1, 2, tzinfo=UTC)}])


@pytest.fixture
def context(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """An index of four prompts and five images, embedded by the cheap encoder."""
    monkeypatch.setattr(scoring, "Models", HashingModels)
    settings = Settings.model_validate({
        "lake": lake.location,
        "index": {"distribution": "files", "cache": str(tmp_path / "cache")},
        "evaluation": {"truths": {"kind": "csv", "path": str(tmp_path / "truths.csv")}},
    })  # fmt: skip
    lake.create(TABLES)
    write_index(lake, settings)
    add_images(lake, HashingModels.of(settings).clip_identity)
    return Context(lake.spark, lake, settings, lambda done, total: None)


def test_an_image_is_scored_by_what_its_file_holds_now_and_never_by_the_truth(
    context: Context, tmp_path: Path
) -> None:
    rows = [
        f"bus,{BUS}", f"bus.png,{TRANSPORT}", f"cat,{KITTEN}", f"tram,{BUS}",
        # No file holds this image any more: what is close to its truth stays in the pool.
        f"copied,{CAT}",
    ]  # fmt: skip
    (tmp_path / "truths.csv").write_text("\n".join(["image,prompt", *rows]))
    nearest = Combination(k=1, w1=0.0, w2=1.0)
    scores = score(context, {"two": Combination(k=2), "nearest": nearest})
    assert scores.image_ids == [name * 64 for name in "bce"]
    assert scores.truths.tolist() == [2, 1, 1]
    assert scores.sentence == (
        "3 images, 4 true prompts, 1 prompts too close to a truth left out of the pool"
    )
    blue, cat, tree, bus, transport, kitten = vectors(BLUE, CAT, TREE, BUS, TRANSPORT, KITTEN)
    expected = [(blue @ bus + blue @ transport) / 2, cat @ kitten, tree @ bus]
    np.testing.assert_allclose(scores.cosines[:, 1], expected, atol=1e-3)
    # Images of one truth are one group.
    assert scores.groups[0] == scores.groups[2] != scores.groups[1]
    # The signals are those of the last variant: one neighbour agrees with itself.
    np.testing.assert_allclose(scores.signals[:, 1], 1, atol=1e-3)
    np.testing.assert_allclose(scores.signals[:, 0], [blue @ bus, 1, 1], atol=1e-3)
    assert scores.index_version == "v"
