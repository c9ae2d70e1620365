from pathlib import Path

import faiss
import numpy as np
import pytest

from promptknn.index.factory import train
from promptknn.index.fitted import TEXT_MAP, Fitted
from promptknn.index.query_map import FILE, centred_map
from promptknn.index.ridge import RidgeSums
from promptknn.index.shard_writer import sha256
from tests.shards import random_units

CLIP, SENTENCE = random_units(200, 6, seed=0), random_units(200, 4, seed=1)


@pytest.mark.parametrize("with_text_map", [True, False])
@pytest.mark.parametrize("factory", ["Flat", "IVF4,SQ8"])
def test_what_is_saved_is_loaded(volume: Path, factory: str, with_text_map: bool) -> None:
    query_map = centred_map(np.zeros(6, np.float32), CLIP.mean(axis=0))
    text_map = RidgeSums.of(CLIP, SENTENCE).solve(0.1) if with_text_map else None
    template = train(factory, query_map.keys(CLIP))
    files = Fitted(query_map, text_map, template).save(volume / "made")
    assert files == {file.name: sha256(file) for file in (volume / "made").iterdir()}
    assert {FILE} < files.keys()
    assert (TEXT_MAP in files) == with_text_map
    loaded = Fitted.load(volume / "made")
    np.testing.assert_array_equal(loaded.query_map.keys(CLIP), query_map.keys(CLIP))
    np.testing.assert_array_equal(
        faiss.serialize_index(loaded.template), faiss.serialize_index(template)
    )
    assert (loaded.text_map is None) == (text_map is None)
    if text_map and loaded.text_map:
        np.testing.assert_array_equal(loaded.text_map(CLIP), text_map(CLIP))
