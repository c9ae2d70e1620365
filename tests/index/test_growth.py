from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from promptknn.errors import RecallError
from promptknn.index.build import BuildIndex
from promptknn.index.content import recorded
from promptknn.index.damage import damaged_folders
from promptknn.index.growth import fitting_is_in_vain, outgrown, to_rewrite
from promptknn.index.tuned import Tuned
from promptknn.index.tuning import Tuner
from promptknn.lake import Lake
from promptknn.prediction.predict import PredictPrompts
from promptknn.settings import IndexSettings, Settings
from promptknn.tables import INDEX_SHARDS, INDEX_VERSIONS, PREDICTIONS, PROMPT_EMBEDDINGS, PROMPTS
from tests.conftest import Run
from tests.rows import add_rows


@given(
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=8),
    new=st.integers(0, 60),
    outdated=st.sets(st.integers(0, 7)),
)
def test_no_shard_that_stays_is_smaller_than_what_is_written(
    sizes: list[int], new: int, outdated: set[int]
) -> None:
    shards = dict(enumerate(sizes))
    outdated &= shards.keys()
    again = to_rewrite(shards, outdated, new, full=40)
    assert outdated <= again <= shards.keys()
    writing = new + sum(shards[shard] for shard in again)
    assert all(shards[shard] > writing or shards[shard] >= 40 for shard in shards.keys() - again)


def test_many_small_increments_leave_few_shards() -> None:
    shards, written, number = {0: 1000}, 0, 1
    for _ in range(100):
        again = to_rewrite(shards, set(), 10, full=100_000)
        size = 10 + sum(shards.pop(shard) for shard in again)
        shards[number], number = size, number + 1
        written += size
    assert sum(shards.values()) == 2000
    assert len(shards) <= 8
    assert written <= 10 * 100 * np.log2(100)


def test_an_index_is_fitted_again_when_its_pool_has_doubled_or_needs_lists() -> None:
    settings = IndexSettings(flat_below=500)
    assert not outgrown(100, 200, "Flat", settings)
    assert outgrown(100, 201, "Flat", settings)
    assert outgrown(400, 501, "Flat", settings)
    assert not outgrown(400, 501, "IVF8,SQ8", settings)
    assert not outgrown(400, 501, "Flat", settings.model_copy(update={"kind": "flat"}))


def test_what_a_whole_index_missed_is_not_fitted_anew_for_each_increment(lake: Lake) -> None:
    settings = IndexSettings(target_recall=0.9, refit_growth=2)
    whole = {"prompts": 100, "fitted_prompts": 100, "recall": 0.8, "settings": recorded(settings)}
    lower = recorded(settings.model_copy(update={"target_recall": 0.7}))
    other = recorded(settings.model_copy(update={"kind": "flat"}))
    harmless = (
        {"index_version": "grown", "fitted_prompts": 50},
        {"index_version": "good", "recall": 0.9},
        {"index_version": "asked for less", "settings": lower},
        {"index_version": "of another kind", "settings": other},
        {"index_version": "of another model", "clip_model": "y"},
        {"index_version": "scored again", "rescoring_model": "y"},
    )
    add_rows(lake, INDEX_VERSIONS, [{**whole, "rescoring_model": None, **row} for row in harmless])
    base = Row(clip_model="x", sentence_model="x", rescoring_model=None, settings=lower)
    assert not fitting_is_in_vain(lake, base, 110, settings)
    add_rows(lake, INDEX_VERSIONS, [{"index_version": "missed", "rescoring_model": None, **whole}])
    assert fitting_is_in_vain(lake, base, 110, settings)
    assert not fitting_is_in_vain(lake, base, 201, settings)


@pytest.fixture
def look(spark: SparkSession, built_copy: Settings) -> Lake:
    return Lake(spark, built_copy.lake, "look")


def active(lake: Lake) -> Row:
    (row,) = lake.read(INDEX_VERSIONS).where("active").collect()
    return row


def shards(lake: Lake, version: str) -> dict[int, Row]:
    rows = lake.read(INDEX_SHARDS).where(f"index_version = '{version}'").collect()
    return {row.shard_id: row for row in rows}


def add_prompts(lake: Lake, condition: str) -> list[str]:
    """Add prompts with the texts and vectors of others, and give their new ids."""
    ids: list[str] = []
    for table in (PROMPTS, PROMPT_EMBEDDINGS):
        rows = lake.read(table).where(condition).drop("run_id")
        rows = rows.withColumn("prompt_id", F.reverse("prompt_id")).localCheckpoint()
        lake.append(table, rows)
        ids = [row.prompt_id for row in rows.collect()]
    return sorted(ids)


def test_new_prompts_become_a_shard_and_removed_ones_leave_theirs(
    run: Run, built_copy: Settings, look: Lake
) -> None:
    first = active(look)
    ids = add_prompts(look, "prompt_id < '2'")
    added = len(ids)
    (counts,) = run(built_copy, BuildIndex())
    grown = active(look)
    assert grown.grown_from == first.index_version
    assert grown.fitted_prompts == first.prompts
    assert grown.prompts == first.prompts + added
    assert f"({added} written, 1 shards stay)" in counts.message
    old, new = (shards(look, grown.index_version)[number] for number in (0, 1))
    assert old.path == shards(look, first.index_version)[0].path
    assert new.prompts == added
    assert new.path == f"{grown.index_version}/shard-00001"

    gone = ids[::2]
    named = ", ".join(f"'{prompt_id}'" for prompt_id in gone)
    look.sql(f"DELETE FROM {{0}} WHERE prompt_id IN ({named})", PROMPT_EMBEDDINGS)
    (counts,) = run(built_copy, BuildIndex())
    less = active(look)
    left = added - len(gone)
    assert less.prompts == first.prompts + left
    assert f"({left} written, 1 shards stay)" in counts.message
    assert [row.prompts for _, row in sorted(shards(look, less.index_version).items())] == [
        first.prompts,
        left,
    ]
    # Of two shards, the damaged one alone is written again.
    file = (
        Path(built_copy.lake) / "index" / shards(look, less.index_version)[1].path / "vectors.faiss"
    )
    file.write_bytes(file.read_bytes()[:-1])
    (counts,) = run(built_copy, BuildIndex())
    assert f"({left} written, 1 shards stay)" in counts.message
    mended = active(look)
    assert mended.grown_from == less.index_version
    assert damaged_folders(look, built_copy, mended) == set()
    found = predictions(run, built_copy, look)
    assert not {near.prompt_id for row in found for near in row.neighbours} & set(gone)
    # A prompt and its double are equally near: the one with the smaller id comes first.
    assert any(
        one.similarity == other.similarity and one.prompt_id < other.prompt_id
        for row in found
        for one, other in pairwise(row.neighbours)
    )


def test_a_grown_index_that_misses_its_recall_is_fitted_anew(
    run: Run, built_copy: Settings, look: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_prompts(look, "prompt_id < '2'")
    check, refused = Tuner.check, []

    def refuse_the_first(self: Tuner, version: str, tuned: Tuned) -> None:
        if not refused:
            refused.append(version)
            raise RecallError("missed")
        check(self, version, tuned)

    monkeypatch.setattr(Tuner, "check", refuse_the_first)
    run(built_copy, BuildIndex())
    anew = active(look)
    assert anew.grown_from is None
    assert anew.fitted_prompts == anew.prompts
    assert refused == [row.index_version for row in look.read(INDEX_VERSIONS)
                       .where("grown_from IS NOT NULL").collect()]  # fmt: skip


def predictions(run: Run, settings: Settings, lake: Lake) -> list[Row]:
    lake.sql("DELETE FROM {0}", PREDICTIONS)
    run(settings, PredictPrompts())
    return lake.read(PREDICTIONS).collect()
