"""prompt_terms after a removal: a name that only removed prompts held must not stay there."""

from pyspark.sql import functions as F

from promptknn.cleaning.normalisation import normalised
from promptknn.cleaning.prompt_terms import NO_KNOWN_TERMS, UNKNOWN_TERM, terms_in
from promptknn.lake import Lake
from promptknn.tables import PROMPT_TERMS, PROMPTS, REJECTED_PROMPTS


def forget_terms(lake: Lake) -> int:
    """Delete the terms that no prompt holds any more, and lower the counts of the others.

    Counted anew, not taken off: so it comes to the same however often it is done.

    Returns:
        How many terms went.
    """
    terms = lake.read_if_there(PROMPT_TERMS)
    if terms is None or terms.isEmpty():
        return 0
    refused = lake.read(REJECTED_PROMPTS).where(F.col("reason").isin(NO_KNOWN_TERMS, UNKNOWN_TERM))
    texts = lake.read(PROMPTS).select(F.col("original_text").alias("text"), F.col("cleaned_at"))
    texts = texts.union(refused.select("text", "rejected_at"))
    held = texts.select(F.explode(terms_in(normalised(F.col("text")))).alias("term"), "cleaned_at")
    through = terms.groupBy("sentence_model").agg(F.max("counted_through").alias("through"))
    counted = F.count_if(F.col("cleaned_at") <= F.col("through")).alias("counted")
    now = held.crossJoin(through).groupBy(*PROMPT_TERMS.key).agg(counted)
    gone = lake.delete(PROMPT_TERMS, terms.join(now, list(PROMPT_TERMS.key), "left_anti"))
    # Never raised: prompts of before the rule was on are not in the counts.
    fewer = terms.join(now, list(PROMPT_TERMS.key)).where("counted < count")
    lake.replace(PROMPT_TERMS, fewer.withColumn("count", F.col("counted")))
    return gone
