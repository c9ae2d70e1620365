import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from promptknn.arrow_vectors import to_arrow
from promptknn.index.query_map import identity_map
from promptknn.index.recall import Answers, exact_answers, recall

NAMES = np.array([list("abcd"), list("abcd")], object)
EXACT = Answers(np.array([[0.9, 0.8, 0.7, 0.6], [0.5, 0.4, 0.3, 0.2]], np.float32), NAMES)


def answers(similarities: list[list[float]], names: list[str]) -> Answers:
    return Answers(np.array(similarities, np.float32), np.array([list(n) for n in names], object))


@pytest.mark.parametrize("similarities_are_exact", [True, False])
def test_all_found_is_one(similarities_are_exact: bool) -> None:
    assert recall(EXACT, EXACT, similarities_are_exact) == 1


def test_each_neighbour_that_was_not_found_counts() -> None:
    found = answers([[0.9, 0.7, 0.6, 0.1], [0.5, 0.4, 0.1, 0.1]], ["acdx", "abxy"])
    assert recall(found, EXACT, similarities_are_exact=False) == pytest.approx(5 / 8)


def test_a_prompt_that_ties_with_the_last_one_is_as_good_where_similarities_are_exact() -> None:
    exact = answers([[0.9, 0.5]], ["ab"])
    tie, worse = answers([[0.9, 0.5 - 5e-6]], ["ax"]), answers([[0.9, 0.4999]], ["ax"])
    assert recall(tie, exact, similarities_are_exact=True) == 1
    assert recall(worse, exact, similarities_are_exact=True) == 0.5


def test_a_similarity_of_quantised_vectors_proves_nothing() -> None:
    overstated = answers([[0.95, 0.92]], ["ax"])
    assert recall(overstated, answers([[0.9, 0.5]], ["ab"]), similarities_are_exact=False) == 0.5


def test_places_that_stay_empty_are_not_found() -> None:
    found = Answers.none(1, 4).best_with(np.array([[0.9]], np.float32), np.array([["a"]], object))
    exact = Answers(EXACT.similarities[:1], NAMES[:1])
    assert recall(found, exact, similarities_are_exact=True) == 0.25


def test_nothing_is_missed_where_the_pool_is_smaller_than_k() -> None:
    short = Answers.none(1, 2).best_with(np.array([[0.9]], np.float32), np.array([["a"]], object))
    assert recall(short, short, similarities_are_exact=False) == 1


def test_no_queries_miss_nothing() -> None:
    assert recall(Answers.none(0, 3), Answers.none(0, 3), similarities_are_exact=True) == 1


def test_exact_search_finds_the_same_in_one_part_and_in_many(spark: SparkSession) -> None:
    draw = np.random.default_rng(0)
    keys = draw.normal(size=(50, 8)).astype(np.float32)
    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    names = [f"{number:02d}" for number in range(len(keys))]
    table = pa.table({"prompt_id": names, "clip_embedding": to_arrow(keys)})
    pool, queries = spark.createDataFrame(table), keys[:3]
    found = exact_answers(pool.repartition(9), identity_map(8), queries, 5)
    products = queries @ keys.T
    order = np.argsort(-products, axis=1)[:, :5]
    assert found.prompt_ids.tolist() == np.array(names)[order].tolist()
    np.testing.assert_allclose(found.similarities, np.take_along_axis(products, order, 1), 1e-5)
    one = exact_answers(pool.coalesce(1), identity_map(8), queries, 5)
    assert one.prompt_ids.tolist() == found.prompt_ids.tolist()


@given(st.lists(st.lists(st.floats(-1, 1, width=32), max_size=5), max_size=6))
def test_parts_that_are_taken_one_after_the_other_leave_the_best(parts: list[list[float]]) -> None:
    best = Answers.none(1, 4)
    for part in parts:
        row = np.array([part], np.float32).reshape(1, -1)
        best = best.best_with(row, np.full(row.shape, "x", object))
    every = sorted((value for part in parts for value in part), reverse=True)[:4]
    np.testing.assert_array_equal(best.similarities[0, : len(every)], np.array(every, np.float32))
    assert (best.prompt_ids[0] == "x").sum() == len(every)
