from pathlib import Path

import pytest

from promptknn.encoders.models import Models
from promptknn.errors import MissingInputError, ModelMismatchError
from promptknn.index.version import IndexVersion, ShardFiles, index_location, shard_folders
from promptknn.online_settings import OnlineSettings
from promptknn.tables import INDEX_SHARDS, INDEX_VERSIONS

SETTINGS = OnlineSettings()
MODELS = Models(SETTINGS.clip, SETTINGS.sentence, "clip@1", "sentence@1")


def _version(clip: str = "clip@1", sentence: str = "sentence@1") -> IndexVersion:
    return IndexVersion("v1", clip, sentence, prompts=5, nprobe=0, files={})


def test_the_tables_have_what_a_search_needs() -> None:
    for kind, table in ((IndexVersion, INDEX_VERSIONS), (ShardFiles, INDEX_SHARDS)):
        assert set(kind.columns()) <= {column.name for column in table.columns}


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        (_version(clip="clip@2"), r"made with clip\.model clip@2, the settings ask for clip@1"),
        (_version(sentence="other"), r"made with sentence\.model other, .*set `sentence\.model`"),
    ],
)
def test_an_index_of_another_model_is_refused_by_the_key_to_set(
    version: IndexVersion, sentence: str
) -> None:
    _version().check(SETTINGS, MODELS)
    with pytest.raises(ModelMismatchError, match=sentence):
        version.check(SETTINGS, MODELS)


def test_index_lies_beside_a_lake_of_files_and_must_be_placed_for_a_schema(tmp_path: Path) -> None:
    lake, place = str(tmp_path / "lake"), str(tmp_path / "volume")
    assert index_location(OnlineSettings(lake=lake)) == tmp_path / "lake" / "index"
    schema = OnlineSettings.model_validate({"lake": "main.prompts", "index": {"location": place}})
    assert index_location(schema) == Path(place)
    with pytest.raises(MissingInputError, match=r"main\.prompts.*set `index\.location`"):
        index_location(OnlineSettings(lake="main.prompts"))


def test_shards_lie_below_the_index_location(tmp_path: Path) -> None:
    shards = [ShardFiles("v1/shard-00000", 7, {"vectors.faiss": "ab"})]
    (folder,) = shard_folders(tmp_path, shards)
    assert Path(folder.path) == tmp_path / "v1" / "shard-00000"
    assert folder.files == {"vectors.faiss": "ab"}
