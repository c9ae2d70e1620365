import pytest
from pydantic import ValidationError
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promptknn.cleaning.policy import forbidden_prompts, policy_rules
from promptknn.cleaning.rules import verdict
from promptknn.deduplication.exact import prompt_id
from promptknn.lake import Lake
from promptknn.settings import CleaningSettings, PolicySettings
from promptknn.tables import PROMPTS, RAW_PROMPTS
from tests.rows import add_rows

POLICY = PolicySettings(
    terms=("Gore", "c++ (old)", "blood  bath", "été"),
    maximum_scores={"nsfw_score_gantman": 0.3},
    allowed_classes={"NSFW": ("UNLIKELY", "it's safe")},
)
# Text, metadata, and the rule that refuses it with what it saw.
EXAMPLES: dict[str, tuple[dict[str, str], str | None]] = {
    "a field of GORE at night": ({}, "policy_term GORE"),
    "gore": ({}, "policy_term gore"),
    "a blood bath, painted": ({}, "policy_term blood bath"),
    "a book of c++ (old) code": ({}, "policy_term c++ (old)"),
    "un ÉTÉ chaud": ({}, "policy_term ÉTÉ"),
    "al gorey, a category": ({}, None),
    "gore_1 and 2gore": ({}, None),
    "a beach": ({"NSFW_Score_Gantman": "0.31"}, "policy_score NSFW_Score_Gantman 0.31"),
    "a beach with a score that is none": (
        {"nsfw_score_gantman": "high"}, "policy_score nsfw_score_gantman high",
    ),
    "a beach at the bound": ({"nsfw_score_gantman": "0.3", "NSFW": "it's safe"}, None),
    "a hill": ({"nsfw": "UNSURE"}, "policy_class nsfw UNSURE"),
    "a hill of another source": ({"licence": "?"}, None),
}  # fmt: skip


def test_each_kind_of_condition_refuses_what_it_is_for(spark: SparkSession) -> None:
    rows = [(text, metadata, "en", 1.0) for text, (metadata, _) in EXAMPLES.items()]
    schema = "text string, metadata map<string, string>, language string, score double"
    judged = spark.createDataFrame(rows, schema).withColumn(
        "verdict", F.expr(verdict(CleaningSettings(), POLICY))
    )
    found = {
        row.text: row.verdict and f"{row.verdict.reason} {row.verdict.detail}"
        for row in judged.collect()
    }
    assert found == {text: expected for text, (_, expected) in EXAMPLES.items()}


def test_prompts_cleaned_before_are_judged_by_what_is_forbidden_now(lake: Lake) -> None:
    texts = [
        {"source_row_id": str(number), "text": text, "prompt_id": prompt_id(text), "metadata": seen}
        for number, (text, (seen, _)) in enumerate(EXAMPLES.items())
    ]
    for table in (PROMPTS, RAW_PROMPTS):
        add_rows(lake, table, texts)
    refused = {prompt_id(text) for text, (_, expected) in EXAMPLES.items() if expected}
    found = forbidden_prompts(lake, POLICY)
    assert found is not None
    assert {row.prompt_id for row in found.collect()} == refused


def test_nothing_is_forbidden_by_default(lake: Lake) -> None:
    assert policy_rules(PolicySettings()) == ()
    assert forbidden_prompts(lake, PolicySettings()) is None


@pytest.mark.parametrize("wrong", [{"terms": [" "]}, {"allowed_classes": {"NSFW": []}}])
def test_a_policy_that_would_forbid_everything_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PolicySettings.model_validate(wrong)
