import numpy as np
import pytest

from promptknn.encoders.models import Models
from promptknn.encoders.package_default import class_names
from promptknn.index.query_map import centred_class_vectors, conse_map
from promptknn.index.searchable import SearchableIndex
from promptknn.index.shard import Shard
from promptknn.prediction.captions import compose, with_captions
from promptknn.settings import Settings
from tests.shards import write_shard

K = 6


def test_the_jth_caption_names_the_j_best_classes() -> None:
    profile = np.array([0.1, 0.7, 0.0, 0.6], dtype=np.float32)
    names = ["tench", "cat", "drum", "cup"]
    assert compose(profile, names, 2) == ["a photo of cat", "a photo of cat and cup"]
    assert compose(profile, names, 9)[-1] == "a photo of cat and cup and tench and drum"


@pytest.fixture(scope="module")
def models() -> Models:
    return Models.of(Settings())


@pytest.fixture(scope="module")
def index(models: Models, tmp_path_factory: pytest.TempPathFactory) -> SearchableIndex:
    prompts = [f"a painting of a {name}" for name in class_names()[:12]]
    vectors = models.sentence_encoder().encode_texts(prompts)
    place = tmp_path_factory.mktemp("captions") / "shard"
    write_shard(place, vectors)
    classes = models.sentence_encoder().encode_texts(class_names())
    query_map = conse_map(centred_class_vectors(classes), classes.mean(axis=0))
    return SearchableIndex([Shard(place, 0)], query_map)


def _profiles(*best: int) -> np.ndarray:
    profiles = np.full((len(best), 1000), 0.001, dtype=np.float32)
    profiles[np.arange(len(best)), best] = 1.0
    return profiles


def test_captions_join_the_neighbours_in_their_place(
    index: SearchableIndex, models: Models
) -> None:
    profiles = _profiles(300, 500)
    found = index.search(profiles, K)
    extended, both = with_captions(index, found, profiles, models, 2, K)
    assert both.similarities.shape == (2, K)
    assert (np.diff(both.similarities, axis=1) <= 0).all()
    # None of the pool's prompts is of these classes: the caption that names one is nearest.
    assert [text[0] for text in extended.texts(both, 1)] == [
        f"a photo of {class_names()[300]}",
        f"a photo of {class_names()[500]}",
    ]
    assert all(ids[0].startswith("caption:") for ids in both.prompt_ids)
    kept = [name for name in both.prompt_ids[0] if not name.startswith("caption:")]
    assert kept == found.prompt_ids[0][: len(kept)].tolist()
    expected = models.sentence_encoder().encode_texts([f"a photo of {class_names()[300]}"])
    np.testing.assert_allclose(extended.vectors(both)[0, 0], expected[0], atol=1e-6)
    np.testing.assert_allclose(extended.vectors(both, "clip_mapped")[0, 0], expected[0], atol=1e-6)


def test_no_images_have_no_captions(index: SearchableIndex, models: Models) -> None:
    none = np.zeros((0, 1000), dtype=np.float32)
    found = index.search(none, K)
    assert with_captions(index, found, none, models, 2, K)[1] is found
