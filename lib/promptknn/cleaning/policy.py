"""The output policy: which prompts the index must not hold, as Spark SQL conditions.

Terms are looked for in `text`, scores and classes in `metadata`, the other columns of a source's
row: they say what the source thinks of that row, and nothing of another row of the same text.
"""

import re

from pyspark.sql import DataFrame

from promptknn.cleaning.normalisation import normalise
from promptknn.cleaning.rule import Rule
from promptknn.lake import Lake
from promptknn.settings import PolicySettings
from promptknn.table import sql_text
from promptknn.tables import PROMPTS, RAW_PROMPTS

_KEY = list(RAW_PROMPTS.key)
_IN_A_WORD = r"[\p{L}\p{M}\p{N}_]"


def policy_rules(policy: PolicySettings) -> tuple[Rule, ...]:
    """Give a rule a kind of condition; none where nothing is forbidden."""
    rules = []
    if policy.terms:
        words = sql_text(_pattern(policy.terms))
        rules.append(
            Rule("policy_term", f"text RLIKE {words}", f"regexp_extract(text, {words}, 0)")
        )
    scores = {
        key: f"coalesce(try_cast(entry.value AS DOUBLE) <= {bound!r}D, false)"
        for key, bound in policy.maximum_scores.items()
    }
    classes = {
        key: f"entry.value IN ({', '.join(map(sql_text, allowed))})"
        for key, allowed in policy.allowed_classes.items()
    }
    for reason, passes in (("policy_score", scores), ("policy_class", classes)):
        if passes:
            rules.append(_metadata_rule(reason, passes))
    return tuple(rules)


def forbidden_prompts(lake: Lake, policy: PolicySettings) -> DataFrame | None:
    """Find the prompts that the policy forbids now, whatever it said when they were cleaned.

    Returns:
        A column prompt_id; None where nothing is forbidden.
    """
    rules = policy_rules(policy)
    if not rules:
        return None
    prompts = lake.read(PROMPTS).select("prompt_id", "text", *_KEY)
    if policy.reads_metadata:
        rows = lake.read(RAW_PROMPTS).select(*_KEY, "metadata")
        prompts = prompts.join(rows, _KEY, "left")
    return prompts.where(" OR ".join(f"({rule.refuses})" for rule in rules)).select("prompt_id")


def without_forbidden(lake: Lake, rows: DataFrame, policy: PolicySettings) -> DataFrame:
    """Leave out the rows whose prompt_id the policy forbids now."""
    forbidden = forbidden_prompts(lake, policy)
    return rows if forbidden is None else rows.join(forbidden, "prompt_id", "left_anti")


def _pattern(terms: tuple[str, ...]) -> str:
    # What Python escapes, Java's expressions take the same.
    words = "|".join(re.escape(normalise(term)) for term in terms)
    return f"(?iu)(?<!{_IN_A_WORD})(?:{words})(?!{_IN_A_WORD})"


def _metadata_rule(reason: str, passes: dict[str, str]) -> Rule:
    """Write a rule that refuses the first entry of `metadata` that does not pass."""
    fails = " OR ".join(
        f"(lower(entry.key) = {sql_text(key.lower())} AND NOT {passed})"
        for key, passed in passes.items()
    )
    entries = f"filter(map_entries(metadata), entry -> {fails})"
    detail = f"concat_ws(' ', {entries}[0].key, {entries}[0].value)"
    return Rule(reason, f"coalesce(size({entries}), 0) > 0", detail)
