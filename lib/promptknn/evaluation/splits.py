"""Train, validation and test: near duplicates always share a split, and no run moves a prompt.

One moves that was set apart as near a prompt which the policy has come to forbid: it is then of
its own group.
"""

import hashlib
from typing import Literal, cast

import pandas as pd
from pydantic import Field
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf

from promptknn.section import Section

Split = Literal["train", "validation", "test"]
_DIGITS = 16


class Splits(Section):
    """Shares of the three splits; they need not add up to 1."""

    train: float = Field(default=0.9, gt=0, allow_inf_nan=False)
    validation: float = Field(default=0.05, ge=0, allow_inf_nan=False)
    test: float = Field(default=0.05, ge=0, allow_inf_nan=False)
    seed: int = 0

    def of(self, group: str) -> Split:
        """Choose the split of a group by its hash alone.

        Args:
            group: names the near-duplicate group: the kept prompt's id for a near duplicate, the
                prompt's own id for any other.
        """
        digest = hashlib.sha256(f"{self.seed}:{group}".encode()).hexdigest()[:_DIGITS]
        place = int(digest, 16) / 16**_DIGITS * (self.train + self.validation + self.test)
        if place < self.train:
            return "train"
        return "validation" if place < self.train + self.validation else "test"

    def column(self, group: Column) -> Column:
        """Choose the split of each row's group: a string column."""

        def choose(groups: pd.Series) -> pd.Series:
            return groups.map(self.of)

        udf = pandas_udf(choose, "string")  # type: ignore[call-overload]
        return cast(Column, udf(group))


def with_group(prompts: DataFrame, near_duplicates: DataFrame | None) -> DataFrame:
    """Add `split_group`, which near duplicates share with the prompt that was kept.

    Args:
        prompts: has prompt_id.
        near_duplicates: prompt_id and kept_prompt_id; None where nobody has looked for any.
    """
    if near_duplicates is None:
        return prompts.withColumn("split_group", F.col("prompt_id"))
    kept = near_duplicates.select("prompt_id", "kept_prompt_id")
    return (
        prompts.join(kept, "prompt_id", "left")
        .withColumn("split_group", F.coalesce("kept_prompt_id", "prompt_id"))
        .drop("kept_prompt_id")
    )
