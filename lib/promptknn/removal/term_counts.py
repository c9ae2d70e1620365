"""prompt_terms after a removal: a name that only removed prompts held must not stay there."""

from pyspark.sql import functions as F

from promptknn.cleaning.term_counts import counted_texts, found_terms
from promptknn.lake import Lake
from promptknn.tables import PROMPT_TERMS


def forget_terms(lake: Lake) -> int:
    """Delete the terms that no prompt holds any more, and lower the counts of the others.

    Counted anew, not taken off: so it comes to the same however often it is done.

    Returns:
        How many terms went.
    """
    terms = lake.read_if_there(PROMPT_TERMS)
    if terms is None or terms.isEmpty():
        return 0
    held = found_terms(counted_texts(lake))
    through = terms.groupBy("sentence_model").agg(F.max("counted_through").alias("through"))
    counted = F.sum(F.expr("IF(at <= through, number, 0)")).alias("counted")
    now = held.crossJoin(through).groupBy(*PROMPT_TERMS.key).agg(counted)
    gone = lake.delete(PROMPT_TERMS, terms.join(now, list(PROMPT_TERMS.key), "left_anti"))
    # Never raised: prompts of before the rule was on are not in the counts.
    fewer = terms.join(now, list(PROMPT_TERMS.key)).where("counted < count")
    lake.replace(PROMPT_TERMS, fewer.withColumn("count", F.col("counted")))
    return gone
