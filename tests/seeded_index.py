"""A large index without a model: seeded vectors around centres, through the real writer."""

import numpy as np
import pyarrow as pa

from promptknn.encoders.encoder import Vectors, unit
from promptknn.encoders.models import Models
from promptknn.index.factory import choose, lists_of, train
from promptknn.index.fitted import Fitted
from promptknn.index.query_map import QueryMap
from promptknn.index.shard_writer import ShardWriter
from promptknn.index.version import QUERY_MAP_FOLDER, index_location
from promptknn.lake import Lake
from promptknn.settings import Settings
from promptknn.tables import INDEX_SHARDS, INDEX_VERSIONS
from tests.rows import add_rows
from tests.shards import random_units

# As many values as the profiles of package-default have.
CLASSES = 1000
_DIM, _CENTRES, _SPREAD, _NPROBE = 384, 1000, 0.8, 32
_BATCH = 10_000


def write_index(lake: Lake, settings: Settings, prompts: int, shards: int) -> int:
    """Write an index of seeded vectors, and make it active; gives the bytes of its shards."""
    models, root = Models.of(settings), index_location(settings)
    factory = choose(prompts, _DIM, settings.index)
    zeros = np.zeros(CLASSES, np.float32), np.zeros(_DIM, np.float32)
    query_map = QueryMap("ridge", zeros[0], random_units(CLASSES, _DIM, seed=1), zeros[1])
    fitted = Fitted(query_map, None, train(factory, _keys(settings.index.training_rows, 2)))
    version = f"of-{prompts}"
    files = fitted.save(root / version / QUERY_MAP_FOLDER)
    rows = []
    for number, part in enumerate(np.array_split(np.arange(prompts), shards)):
        path = f"{version}/shard-{number:05d}"
        fitted = Fitted.load(root / version / QUERY_MAP_FOLDER)
        with ShardWriter(root / path, fitted.template) as writer:
            for start in range(part[0], part[-1] + 1, _BATCH):
                some = range(start, min(start + _BATCH, part[-1] + 1))
                ids = pa.array([f"{place:032x}" for place in some])
                texts = pa.array([f"a photo of a thing, the one that has number {p}" for p in some])
                keys = _keys(len(some), seed=start + 3)
                writer.add(ids, texts, keys, keys[:, ::-1])
            written = writer.finish()
        rows.append({"index_version": version, "shard_id": number, "path": path, **vars(written)})
    add_rows(lake, INDEX_SHARDS, rows)
    add_rows(lake, INDEX_VERSIONS, [{
        "index_version": version, "clip_model": models.clip_identity,
        "sentence_model": models.sentence_identity, "prompts": prompts, "factory": factory,
        "nprobe": _NPROBE if lists_of(factory) else 0, "files": files,
    }])  # fmt: skip
    return sum(int(row["bytes"]) for row in rows)


def _keys(rows: int, seed: int) -> Vectors:
    draw = np.random.default_rng(seed)
    centres = random_units(_CENTRES, _DIM, seed=0)[draw.integers(_CENTRES, size=rows)]
    noise = draw.standard_normal((rows, _DIM), dtype=np.float32) / np.float32(_DIM**0.5)
    return unit(centres + _SPREAD * noise)
