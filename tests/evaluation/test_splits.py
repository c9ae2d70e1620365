from collections import Counter

import pandas as pd
import pytest
from pydantic import ValidationError
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promptknn.deduplication.exact import prompt_id
from promptknn.evaluation.splits import Splits, with_group

GROUPS = [prompt_id(f"prompt {number}") for number in range(4000)]


def test_shares_are_kept_within_chance() -> None:
    counts = Counter(map(Splits(train=8, validation=1, test=1).of, GROUPS))

    assert counts["train"] == pytest.approx(3200, abs=120)
    assert counts["validation"] == pytest.approx(400, abs=90)
    assert counts["test"] == pytest.approx(400, abs=90)


def test_a_share_of_0_gets_nothing() -> None:
    assert set(map(Splits(validation=0, test=0).of, GROUPS)) == {"train"}


def test_the_split_of_a_group_is_fixed_for_ever() -> None:
    # Written down, because a changed hash would move prompts between train and test.
    splits = Splits(train=0.6, validation=0.2, test=0.2)

    assert [splits.of(f"group {number}") for number in range(6)] == [
        "validation",
        "train",
        "train",
        "train",
        "train",
        "validation",
    ]


def test_another_seed_splits_otherwise() -> None:
    first, second = Splits(train=1, validation=1), Splits(train=1, validation=1, seed=1)

    assert [first.of(group) for group in GROUPS] != [second.of(group) for group in GROUPS]


def test_a_larger_train_share_takes_no_prompt_out_of_train() -> None:
    small = {group for group in GROUPS if Splits(train=0.5, validation=0.5).of(group) == "train"}
    large = {group for group in GROUPS if Splits(train=0.8, validation=0.2).of(group) == "train"}

    assert small < large


def test_negative_share_is_refused() -> None:
    with pytest.raises(ValidationError, match="test"):
        Splits(test=-0.1)


def test_near_duplicates_share_a_split(spark: SparkSession) -> None:
    ids = GROUPS[:300]
    kept, near = ids[:100], ids[100:200]
    prompts = spark.createDataFrame(pd.DataFrame({"prompt_id": ids}))
    repeats = spark.createDataFrame(pd.DataFrame({"prompt_id": near, "kept_prompt_id": kept}))
    splits = Splits(train=1, validation=1, test=1)

    rows = (
        with_group(prompts, repeats)
        .withColumn("split", splits.column(F.col("split_group")))
        .collect()
    )

    found = {row.prompt_id: row.split for row in rows}
    assert len(rows) == 300
    assert [found[one] for one in near] == [found[one] for one in kept]
    assert found == {
        **{one: splits.of(one) for one in ids},
        **{one: splits.of(other) for one, other in zip(near, kept, strict=True)},
    }


def test_without_near_duplicates_each_prompt_is_its_own_group(spark: SparkSession) -> None:
    prompts = spark.createDataFrame(pd.DataFrame({"prompt_id": GROUPS[:5]}))

    rows = with_group(prompts, None).collect()

    assert [row.split_group for row in rows] == [row.prompt_id for row in rows]
