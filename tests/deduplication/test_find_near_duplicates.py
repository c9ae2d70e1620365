from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from promptknn.deduplication import find_near_duplicates, pruning
from promptknn.deduplication.exact import prompt_id
from promptknn.deduplication.find_near_duplicates import FindNearDuplicates
from promptknn.deduplication.pruning import Search
from promptknn.encoders.encoder import Vectors
from promptknn.encoders.models import Models
from promptknn.errors import MissingInputError
from promptknn.index.build import BuildIndex
from promptknn.index.pool import pool_of
from promptknn.lake import Lake
from promptknn.settings import Settings
from promptknn.sources.demo import compose
from promptknn.stage import Context, Counts
from promptknn.table import Table
from promptknn.tables import (
    INDEX_SHARDS,
    INDEX_VERSIONS,
    KEPT_PROMPTS,
    NEAR_DUPLICATES,
    PROMPTS,
)
from tests.conftest import Run
from tests.pool import Pool, add_embeddings, brute_force
from tests.small import changed

BLOCKS = Settings.model_validate({"deduplication": {"prompts_per_block": 60}})


class LakeKilledBefore(Lake):
    """Stands for a job that is killed between its two tables."""

    def insert(self, table: Table, rows: DataFrame, within: str | None = None) -> int:
        if table is KEPT_PROMPTS:
            raise KeyboardInterrupt
        return super().insert(table, rows, within)


@pytest.fixture(scope="module")
def pool() -> Pool:
    """Real prompts, a third of them said again in other words."""
    texts = compose(150, seed=3)
    again = [f"{text} in the picture" for text in texts[:30]]
    shouted = [f"A photo of {text}!" for text in texts[20:50]]
    texts = sorted({*texts, *again, *shouted}, key=prompt_id)
    encoder = Models.of(Settings()).sentence_encoder()
    return Pool([prompt_id(text) for text in texts], encoder.encode_texts(texts))


def find(lake: Lake, settings: Settings = BLOCKS) -> Counts:
    settings = changed(settings, lake=lake.location)
    context = Context(lake.spark, lake, settings, lambda done, total: None)
    return FindNearDuplicates().run(context)


def rows_of(lake: Lake, table: Table) -> list[Row]:
    return lake.read(table).orderBy("prompt_id").collect()


def dropped_in(lake: Lake) -> dict[str, str]:
    return {row.prompt_id: row.kept_prompt_id for row in rows_of(lake, NEAR_DUPLICATES)}


@pytest.fixture(scope="module")
def found(spark: SparkSession, pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(spark, str(tmp_path_factory.mktemp("found") / "lake"), "first-run")
    add_embeddings(lake, pool)
    counts = find(lake)
    assert counts.rows_in == len(pool.ids)
    assert counts.rows_out + counts.rows_rejected == len(pool.ids)
    return lake


def test_full_run_is_the_greedy_answer_of_all_products(found: Lake, pool: Pool) -> None:
    expected = brute_force(pool, 0.9)
    assert len(expected) > 30
    assert dropped_in(found) == expected
    kept = [row.prompt_id for row in rows_of(found, KEPT_PROMPTS)]
    assert kept == [name for name in pool.ids if name not in expected]
    similarity = {row.prompt_id: row.similarity for row in rows_of(found, NEAR_DUPLICATES)}
    vectors = dict(zip(pool.ids, pool.vectors.astype(np.float64), strict=True))
    for name, keeper in expected.items():
        assert similarity[name] == pytest.approx(vectors[name] @ vectors[keeper], abs=1e-12)


def test_answer_does_not_depend_on_partitions_or_blocks(
    found: Lake, lake: Lake, pool: Pool
) -> None:
    add_embeddings(lake, pool, partitions=8)
    find(lake, Settings())
    columns = ["prompt_id", "kept_prompt_id", "similarity"]
    one, eight = (
        each.read(NEAR_DUPLICATES).select(*columns).orderBy("prompt_id").collect()
        for each in (found, lake)
    )
    assert one == eight


def test_rerun_adds_no_rows(found: Lake) -> None:
    tables = (KEPT_PROMPTS, NEAR_DUPLICATES)
    versions = [found.version(table) for table in tables]
    again = find(found)
    assert again.rows_in == 0
    assert again.message.startswith("nothing new, ")
    assert [found.version(table) for table in tables] == versions


def test_increment_compares_with_kept_prompts_and_never_turns_one_out(
    lake: Lake, pool: Pool
) -> None:
    later, earlier = pool.part(range(120)), pool.part(range(120, len(pool.ids)))
    add_embeddings(lake, earlier)
    find(lake)
    kept_before = {row.prompt_id for row in rows_of(lake, KEPT_PROMPTS)}
    dropped_before = dropped_in(lake)
    add_embeddings(lake, later)
    counts = find(lake)
    assert counts.rows_in == len(later.ids)
    kept = {row.prompt_id for row in rows_of(lake, KEPT_PROMPTS)}
    assert kept_before <= kept
    assert dropped_before.items() <= dropped_in(lake).items()
    # Prompts decided earlier come first, whatever their ids.
    order = [*range(120, len(pool.ids)), *range(120)]
    expected = brute_force(pool.part(order), 0.9)
    assert dropped_in(lake) == expected
    assert expected != brute_force(pool, 0.9)


def test_killed_run_ends_in_the_same_rows_when_run_again(
    found: Lake, lake: Lake, pool: Pool
) -> None:
    add_embeddings(lake, pool)
    with pytest.raises(KeyboardInterrupt):
        find(LakeKilledBefore(lake.spark, lake.location, "killed-run"))
    assert 0 < len(dropped_in(lake)) < len(dropped_in(found))
    find(lake)
    assert dropped_in(lake) == dropped_in(found)
    kept = [[row.prompt_id for row in rows_of(each, KEPT_PROMPTS)] for each in (lake, found)]
    assert kept[0] == kept[1]
    assert not (Path(lake.location) / "index" / "near-duplicates").exists()


@pytest.mark.parametrize(("sampled", "smallest"), [(50, 100), (100, 100), (100, 50)])
def test_large_pools_are_searched_by_lists(
    lake: Lake, pool: Pool, monkeypatch: pytest.MonkeyPatch, sampled: int, smallest: int
) -> None:
    """The sample is of the first block, and no larger, where that is large enough."""
    monkeypatch.setattr(find_near_duplicates, "SMALLEST_SAMPLE", smallest)
    monkeypatch.setattr(pruning, "LARGEST_PROBED_SHARE", 1.0)
    samples = []

    def pruned(rows: int, sample: Vectors, threshold: float, target_recall: float) -> Search:
        samples.append(len(sample))
        return pruning.pruned_search(rows, sample, threshold, target_recall)

    monkeypatch.setattr(find_near_duplicates, "pruned_search", pruned)
    monkeypatch.setattr(find_near_duplicates, "sample_for", lambda rows: sampled)
    add_embeddings(lake, pool)
    counts = find(lake, changed(BLOCKS, deduplication__exact_below=0))
    assert "lists compared, recall" in counts.message
    expected = brute_force(pool, 0.9)
    assert len(dropped_in(lake).keys() ^ expected.keys()) <= 0.02 * len(pool.ids)
    if sampled == 50:
        assert samples == [50]
    else:
        assert (samples[0] > 60) == (smallest == 100)


def test_another_threshold_decides_anew_beside_the_first(
    found: Lake, lake: Lake, pool: Pool
) -> None:
    add_embeddings(lake, pool.part(range(60)))
    for similarity in (0.9, 0.6):
        find(lake, changed(BLOCKS, deduplication__similarity=similarity))
    for similarity in (0.9, 0.6):
        decided = lake.read(NEAR_DUPLICATES).where(F.col("threshold") == similarity).collect()
        expected = brute_force(pool.part(range(60)), similarity)
        assert {row.prompt_id: row.kept_prompt_id for row in decided} == expected


def test_index_and_near_duplicates_are_all_prompts(
    run: Run, built_copy: Settings, spark: SparkSession
) -> None:
    settings = changed(built_copy, deduplication__similarity=0.7)
    run(settings, FindNearDuplicates(), BuildIndex())
    lake = Lake(spark, settings.lake, "reader")
    active = lake.read(INDEX_VERSIONS).where("active").collect()[0]
    shards = lake.read(INDEX_SHARDS).where(F.col("index_version") == active.index_version)
    dropped = lake.read(NEAR_DUPLICATES).where("threshold = 0.7").count()
    assert dropped > 0
    assert active.prompts + dropped == lake.read(PROMPTS).count()
    assert shards.agg(F.sum("prompts")).collect()[0][0] == active.prompts


def test_without_a_threshold_every_prompt_stays(
    run: Run, built_copy: Settings, spark: SparkSession
) -> None:
    settings = changed(built_copy, deduplication__similarity=None)
    (counts,) = run(settings, FindNearDuplicates())
    assert counts.message == "`deduplication.similarity` is null, every prompt stays"
    lake = Lake(spark, settings.lake, "reader")
    pool = pool_of(lake, Models.of(settings), None, settings.deduplication)
    assert pool.count() == lake.read(PROMPTS).count()
    assert lake.read(NEAR_DUPLICATES).where("threshold IS NULL").count() == 0


def test_vectors_are_given_a_place_before_work_starts_where_any_are_compared() -> None:
    schema = Settings(lake="main.prompts")
    with pytest.raises(MissingInputError, match=r"set `index\.location`"):
        FindNearDuplicates().check(schema)
    FindNearDuplicates().check(changed(schema, deduplication__similarity=None))
