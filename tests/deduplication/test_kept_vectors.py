from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from promptknn.arrow_vectors import to_arrow
from promptknn.deduplication import kept_vectors
from promptknn.deduplication.kept_vectors import KeptVectors, Texts
from promptknn.deduplication.pruning import Search, exact_search, pruned_search
from promptknn.encoders.encoder import Vectors, unit
from tests.shards import random_units

DIM, THRESHOLD = 32, 0.9
KEPT = random_units(600, DIM, seed=0)
EVERY = np.arange(len(KEPT))


def _ids(vectors: Vectors) -> Texts:
    return np.array([f"{row:032x}" for row in range(len(vectors))], dtype=object)


def _near(vectors: Vectors, seed: int) -> Vectors:
    return unit(vectors + np.float32(0.02) * random_units(len(vectors), DIM, seed))


def _lists() -> Search:
    """Give an inverted file of few lists, most of which are looked into."""
    sample = np.concatenate([KEPT, _near(KEPT, seed=7)])
    search = pruned_search(len(sample), sample, THRESHOLD, target_recall=0.99)
    assert search.lists
    return search


@pytest.fixture(params=["every pair", "lists"])
def search(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Search:
    monkeypatch.setattr("promptknn.deduplication.pruning.LARGEST_PROBED_SHARE", 1.0)
    return exact_search() if request.param == "every pair" else _lists()


def test_the_closest_kept_prompt_is_found_in_whichever_part_it_lies(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, search: Search
) -> None:
    monkeypatch.setattr(kept_vectors, "_ROWS_A_PART", 250)
    kept = KeptVectors(spark, tmp_path / "scratch", search)
    kept.add(_ids(KEPT), search.block(KEPT), EVERY)
    assert len(list((tmp_path / "scratch").iterdir())) == 3
    asked = np.concatenate([_near(KEPT[[10, 300, 599]], seed=1), random_units(2, DIM, seed=2)])
    similarities, prompt_ids = kept.closest(search.block(asked), THRESHOLD)
    assert prompt_ids.tolist() == [*_ids(KEPT)[[10, 300, 599]], None, None]
    expected = (asked[:3].astype(float) * KEPT[[10, 300, 599]]).sum(axis=1)
    assert similarities[:3] == pytest.approx(expected, abs=1e-12)
    assert np.isneginf(similarities[3:]).all()


def test_vectors_of_a_frame_are_written_by_the_tasks_that_read_it(
    spark: SparkSession, tmp_path: Path
) -> None:
    search = exact_search()
    kept = KeptVectors(spark, tmp_path / "scratch", search)
    columns = {"prompt_id": _ids(KEPT).tolist(), "sentence_embedding": to_arrow(KEPT)}
    kept.add_frame(spark.createDataFrame(pa.table(columns)).repartition(2))
    assert len(list((tmp_path / "scratch").iterdir())) == 2
    _, prompt_ids = kept.closest(exact_search().block(KEPT), THRESHOLD)
    assert prompt_ids.tolist() == _ids(KEPT).tolist()


def test_no_file_is_written_again_for_the_next_block(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, search: Search
) -> None:
    """A host's cache may serve the first block's file, of the same name and size."""
    written: list[set[Path]] = []
    real = kept_vectors._search_parts

    def watched(folder: Path, *rest: object) -> object:
        written.append({file for file in folder.rglob("*") if file.is_file()} - of_parts)
        return real(folder, *rest)  # type: ignore[arg-type]

    kept = KeptVectors(spark, tmp_path / "scratch", search)
    kept.add(_ids(KEPT), search.block(KEPT), EVERY)
    of_parts = {file for file in (tmp_path / "scratch").rglob("*") if file.is_file()}
    monkeypatch.setattr(kept_vectors, "_search_parts", watched)
    for rows in ([3, 4], [5, 6]):
        _, prompt_ids = kept.closest(search.block(KEPT[rows]), THRESHOLD)
        assert prompt_ids.tolist() == _ids(KEPT)[rows].tolist()
    first, second = written
    assert first
    assert not first & second
    assert {file for file in (tmp_path / "scratch").rglob("*") if file.is_file()} == of_parts


def test_where_nothing_is_kept_nothing_is_close(spark: SparkSession, tmp_path: Path) -> None:
    kept = KeptVectors(spark, tmp_path / "scratch", exact_search())
    similarities, prompt_ids = kept.closest(exact_search().block(KEPT[:3]), THRESHOLD)
    assert np.isneginf(similarities).all()
    assert prompt_ids.tolist() == [None] * 3
    assert not (tmp_path / "scratch").exists()


def test_a_volume_takes_parts_and_blocks(spark: SparkSession, volume: Path, search: Search) -> None:
    kept = KeptVectors(spark, volume / "scratch", search)
    kept.add(_ids(KEPT), search.block(KEPT), EVERY)
    _, prompt_ids = kept.closest(search.block(KEPT[:9]), THRESHOLD)
    assert prompt_ids.tolist() == _ids(KEPT)[:9].tolist()
