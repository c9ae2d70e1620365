"""The rules a prompt must pass, as Spark SQL conditions (paper, section 3.1).

A rule sees `text` (normalised, or null), `language` and `score`, those of the output policy also
`metadata`. The first rule that holds refuses the row: each refused row has one reason.
"""

from promptknn.cleaning.policy import policy_rules
from promptknn.cleaning.rule import Rule
from promptknn.settings import CleaningSettings, PolicySettings
from promptknn.table import sql_text

# Control characters, the replacement character of broken encodings, and marks that turn the
# direction of text around; a joiner inside an emoji is none of them.
_CONTROL = r"[\p{Cc}\x{FFFD}\x{202A}-\x{202E}\x{2066}-\x{2069}]"
_NO_VALUE = ("nan", "none", "null", "n/a", "na", "nil", "undefined", "<na>", "#n/a")
_LETTER = r"\p{L}"
_URL_ONLY = r"^((https?://|www\.)\S+\s*)+$"


def rules(settings: CleaningSettings) -> tuple[Rule, ...]:
    """Give the rules in the order in which they are asked."""
    no_value = ", ".join(sql_text(word) for word in _NO_VALUE)
    languages = ", ".join(sql_text(language) for language in settings.languages)
    length = "concat(length(text), ' characters')"
    every_rule = (
        Rule("empty", "text IS NULL OR length(text) = 0"),
        Rule("no_value", f"lower(text) IN ({no_value})", "text"),
        Rule("control_characters", f"text RLIKE {sql_text(_CONTROL)}"),
        Rule("url_only", f"lower(text) RLIKE {sql_text(_URL_ONLY)}"),
        Rule("no_letters", f"NOT text RLIKE {sql_text(_LETTER)}"),
        Rule("too_short", f"length(text) < {settings.minimum_characters}", length),
        Rule("too_long", f"length(text) > {settings.maximum_characters}", length),
    )
    if not settings.languages:
        return every_rule
    foreign = f"language NOT IN ({languages}) AND score >= {settings.language_score}"
    seen = "concat(language, ' ', round(score, 2))"
    return (*every_rule, Rule("other_language", foreign, seen))


def verdict(settings: CleaningSettings, policy: PolicySettings | None = None) -> str:
    """Write all rules as one SQL expression: struct<reason, detail>, or null for a kept row.

    The rules of the policy, where one is given, come last.
    """
    every = (*rules(settings), *(policy_rules(policy) if policy else ()))
    cases = " ".join(
        f"WHEN {rule.refuses} THEN struct('{rule.reason}' AS reason, {rule.detail} AS detail)"
        for rule in every
    )
    return f"CASE {cases} END"
