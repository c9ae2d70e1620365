from collections.abc import Mapping

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from promptknn.cleaning.clean import judged
from promptknn.cleaning.rules import rules, verdict
from promptknn.settings import CleaningSettings

SETTINGS = CleaningSettings(minimum_characters=3, maximum_characters=200)
KEPT = {
    "short": "fox",
    "sentence": "A zebra grazing on lush green grass in a field.",
    "prompt": "portrait of a girl, artstation, 8 k, by greg rutkowski, trending",
    "nan within": "a plate of hot nan and rice on a table",
    "link within": "a cat, see https://example.org/cat.png for more",
    "digits": "3 men and 2 dogs",
    "emoji with joiner": "a happy family 👨‍👩‍👧 on the beach",
    "accents": "a café in the old town of Orléans at night",
    "longest": "a very long road " * 11 + "into the town",
}
# Each text is refused for the reason above it, and would be refused for no other.
REFUSED = {
    "empty": (None, "", "   ", "\n\t ", "\u00a0\u2003"),
    "no_value": ("NaN", "nan", " None ", "NULL", "n/a", "#N/A", "<NA>", "undefined"),
    "control_characters": ("a zebra\x00 in grass", "a \x1b[31mred cat", "caf\ufffd", "a \u202ecat"),
    "url_only": ("https://example.org/cat.png", "www.example.org", "http://a.org  https://b.org/x"),
    "no_letters": ("12345", "!!! ???", "🦓🦓🦓🦓", "-- 8 --"),
    "too_short": ("ab", "x", " a "),
    "too_long": ("a zebra " * 30, "x" * 201),
    "other_language": (
        "ein Zebra steht auf einer grünen Wiese",
        "un chat dort sur le canapé de la cuisine",
        "草原に立つシマウマの写真",
        "зебра стоит на зелёной траве",
    ),
}  # fmt: skip
SAMPLES = [*KEPT.values(), *(text for texts in REFUSED.values() for text in texts)]


@pytest.fixture(scope="module")
def verdicts(spark: SparkSession) -> Mapping[str | None, Row]:
    raw = spark.createDataFrame(
        [("examples", str(number), text) for number, text in enumerate(SAMPLES)],
        "source string, source_row_id string, text string",
    )
    return {row.original_text: row for row in judged(raw, SETTINGS).collect()}


@pytest.mark.parametrize("name", KEPT)
def test_good_prompts_are_kept(verdicts: Mapping[str | None, Row], name: str) -> None:
    assert verdicts[KEPT[name]].verdict is None


@pytest.mark.parametrize("reason", REFUSED)
def test_each_rule_refuses_what_it_is_for(verdicts: Mapping[str | None, Row], reason: str) -> None:
    found = {text: verdicts[text].verdict for text in REFUSED[reason]}
    assert {text: v and v.reason for text, v in found.items()} == dict.fromkeys(
        REFUSED[reason], reason
    )


def test_details_say_what_was_seen(verdicts: Mapping[str | None, Row]) -> None:
    assert verdicts[" None "].verdict.detail == "None"
    assert verdicts["x" * 201].verdict.detail == "201 characters"
    assert verdicts["зебра стоит на зелёной траве"].verdict.detail.startswith("ru ")


def test_every_rule_has_its_examples() -> None:
    assert [rule.reason for rule in rules(SETTINGS)] == list(REFUSED)


def decided(
    spark: SparkSession, settings: CleaningSettings, text: str, language: str, score: float
) -> str | None:
    frame = spark.range(1).select(
        F.lit(text).alias("text"),
        F.lit(language).alias("language"),
        F.lit(score).alias("score"),
        F.expr("CAST(NULL AS STRING)").alias("nothing"),
    )
    found = frame.select(F.expr(verdict(settings)).alias("verdict")).collect()[0].verdict
    return found and found.reason


def test_bounds_are_those_of_the_settings(spark: SparkSession) -> None:
    settings = CleaningSettings(minimum_characters=5, maximum_characters=10)
    reasons = [decided(spark, settings, "x" * n, "en", 1.0) for n in (4, 5, 10, 11)]
    assert reasons == ["too_short", None, None, "too_long"]


def test_uncertain_language_is_kept(spark: SparkSession) -> None:
    settings = CleaningSettings(languages=("en", "fr"), language_score=0.6)
    pairs = (("de", 0.59), ("de", 0.61), ("fr", 0.99))
    reasons = [decided(spark, settings, "a zebra", *pair) for pair in pairs]
    assert reasons == [None, "other_language", None]


def test_no_languages_means_every_language(spark: SparkSession) -> None:
    settings = CleaningSettings(languages=())
    assert decided(spark, settings, "ein Zebra", "de", 1.0) is None


def test_language_names_cannot_break_out_of_the_sql(spark: SparkSession) -> None:
    settings = CleaningSettings(languages=("it's", "en"))
    assert decided(spark, settings, "a zebra", "it's", 1.0) is None
    assert decided(spark, settings, "a zebra", "de", 1.0) == "other_language"
