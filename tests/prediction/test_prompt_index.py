import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from PIL import Image

import promptknn
from promptknn.errors import (
    CorruptShardError,
    MissingInputError,
    ModelMismatchError,
    SettingsError,
    UnusableImageError,
)
from promptknn.locations import package_path
from promptknn.prediction.prediction import Prediction
from promptknn.prediction.prompt_index import PromptIndex
from promptknn.settings import Settings
from tests.small import PHOTOGRAPHS, changed

CAT, COFFEE = (package_path(f"package:skimage/data/{name}") for name in PHOTOGRAPHS[:2])
# What the path for one picture must not import, and how many seconds each would cost.
HEAVY = {"pyspark": 1, "sentence_transformers": 12, "open_clip": 9, "timm": 8, "torchvision": 2}


@pytest.fixture(scope="module")
def index(built: Settings) -> PromptIndex:
    return PromptIndex(built)


def _rows(lake: str) -> dict[str, dict]:
    rows = DeltaTable(f"{lake}/predictions").to_pyarrow_table().to_pylist()
    return {Path(row["image_uri"]).name: row for row in rows}


def _assert_same(found: Prediction, expected: Prediction, tolerance: float) -> None:
    ids = [neighbour.prompt_id for neighbour in found.neighbours]
    assert ids == [neighbour.prompt_id for neighbour in expected.neighbours]
    np.testing.assert_allclose(found.embedding, expected.embedding, rtol=0, atol=tolerance)


def test_answers_are_those_of_the_job(index: PromptIndex, built: Settings) -> None:
    rows = _rows(built.lake)
    paths = [row["image_uri"] for row in rows.values()]
    found = index.predict(paths)
    assert [prediction.image for prediction in found] == paths
    for prediction, row in zip(found, rows.values(), strict=True):
        assert prediction.predicted_prompt == row["predicted_prompt"]
        assert prediction.k == row["k"] == 100
        np.testing.assert_allclose(prediction.embedding, row["embedding"], rtol=0, atol=1e-5)
        for name in ("mean_similarity", "agreement"):
            assert getattr(prediction, name) == pytest.approx(row[name], abs=1e-5)
        for mine, theirs in zip(prediction.neighbours, row["neighbours"], strict=True):
            assert (mine.rank, mine.prompt_id, mine.prompt) == tuple(
                theirs[name] for name in ("rank", "prompt_id", "prompt")
            )
            assert mine.similarity == pytest.approx(theirs["similarity"], abs=1e-5)


def test_a_path_its_bytes_and_its_picture_give_one_answer(index: PromptIndex) -> None:
    expected = index.predict([CAT])[0]
    found = index.predict([Path(CAT), Path(CAT).read_bytes(), Image.open(CAT)])
    assert [prediction.image for prediction in found] == [CAT, "image 1", "image 2"]
    for prediction in found:
        _assert_same(prediction, expected, 1e-6)
    _assert_same(index.predict(CAT)[0], expected, 1e-6)


def test_many_pictures_keep_their_order(index: PromptIndex) -> None:
    both = index.predict([CAT, COFFEE])
    found = index.predict([CAT, COFFEE] * 5)
    for number, prediction in enumerate(found):
        _assert_same(prediction, both[number % 2], 1e-6)
    assert len(found) == 10
    assert index.predict([]) == []


def test_a_lake_alone_is_opened_with_the_settings_of_its_last_job(built: Settings) -> None:
    opened = PromptIndex.open(built.lake, ["prediction.neighbours_kept=4"])
    assert opened.settings.clip == built.clip
    assert opened.settings.prediction.k == built.prediction.k
    assert opened.settings.index.cache is None
    assert len(opened.predict(CAT)[0].neighbours) == 4


def test_nothing_heavy_is_imported_for_one_picture(built: Settings) -> None:
    code = (
        "import sys, json, promptknn; light = 'numpy' not in sys.modules;"
        f"index = promptknn.PromptIndex.open({built.lake!r});"
        f"found = index.predict([{CAT!r}])[0].predicted_prompt;"
        f"print(json.dumps([light, found, [m for m in {list(HEAVY)} if m in sys.modules]]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = _rows(built.lake)["chelsea.png"]["predicted_prompt"]
    assert json.loads(done.stdout) == [True, expected, []]


def test_the_package_has_no_other_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'PromptIndexx'"):
        _ = promptknn.PromptIndexx


def test_confidence_follows_from_the_latest_calibration(built_copy: Settings) -> None:
    assert PromptIndex(built_copy).predict(CAT)[0].confidence is None
    hash_ = _rows(built_copy.lake)["chelsea.png"]["settings_hash"]
    now = datetime.now(UTC)
    rows = {
        "settings_hash": [hash_, hash_, "other"],
        "intercept": [0.1, 0.9, 0.7],
        "similarity": [0.5, 0.0, 0.0],
        "agreement": [0.25, 0.0, 0.0],
        "calibrated_at": [now, now - timedelta(days=1), now + timedelta(days=1)],
    }
    write_deltalake(f"{built_copy.lake}/calibrations", pa.table(rows))
    found = PromptIndex(built_copy).predict(CAT)[0]
    expected = 0.1 + 0.5 * found.mean_similarity + 0.25 * found.agreement
    assert found.confidence == pytest.approx(expected, abs=1e-6)


def test_json_has_every_value_in_one_line(index: PromptIndex) -> None:
    (found,) = index.predict(CAT)
    line = found.to_json()
    assert "\n" not in line
    values = json.loads(line)
    assert set(values) == set(vars(found))
    assert values["neighbours"][0]["prompt"] == found.predicted_prompt
    np.testing.assert_allclose(values["embedding"], found.embedding, rtol=1e-6)


def test_a_place_without_a_lake_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"no lake at .*gone: name the folder"):
        PromptIndex.open(tmp_path / "gone")


def test_a_lake_without_an_active_index_is_said_with_the_job(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"no active index .*: run jobs/build_index\.py"):
        PromptIndex.open(tmp_path)


def test_an_index_of_another_model_is_refused(built: Settings) -> None:
    with pytest.raises(ModelMismatchError, match=r"views=1.*views=2.*set `clip\.model` back"):
        PromptIndex.open(built.lake, ["clip.views=2"])


def test_more_neighbours_than_prompts_are_refused(built: Settings) -> None:
    with pytest.raises(SettingsError, match=r"prediction\.k is 5000, but the index holds \d+"):
        PromptIndex.open(built.lake, ["prediction.k=5000"])


def test_a_wrong_override_is_named(built: Settings) -> None:
    with pytest.raises(SettingsError, match=r"'prediction\.kk' .*no such key"):
        PromptIndex.open(built.lake, ["prediction.kk=5"])


def test_an_altered_shard_is_refused_before_it_is_opened(
    built_copy: Settings, tmp_path: Path
) -> None:
    (file,) = Path(built_copy.lake).glob("index/*/shard-*/vectors.faiss")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    fresh = changed(built_copy, index__cache=str(tmp_path / "cache"))
    with pytest.raises(CorruptShardError, match=r"vectors\.faiss is not the file that was written"):
        PromptIndex(fresh)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, r"photo\.jpg cannot be read \(No such file or directory\)"),
        (b"", r"photo\.jpg cannot be used \(empty_file: 0 bytes\): give a whole JPEG"),
        (b"no picture", r"photo\.jpg cannot be used \(not_an_image: starts with b'no picture'\)"),
    ],
)
def test_a_picture_that_cannot_be_used_is_named(
    index: PromptIndex, tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    photo = tmp_path / "photo.jpg"
    if content is not None:
        photo.write_bytes(content)
    with pytest.raises(UnusableImageError, match=sentence):
        index.predict([CAT, photo])
