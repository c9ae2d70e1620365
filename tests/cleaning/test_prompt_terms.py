import shutil
from collections import Counter
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.testing import assertDataFrameEqual

from promptknn.cleaning.clean import CleanPrompts
from promptknn.cleaning.normalisation import normalise
from promptknn.cleaning.terms import terms_of
from promptknn.deduplication.exact import prompt_id
from promptknn.encoders.models import Models
from promptknn.lake import Lake
from promptknn.settings import Settings
from promptknn.stage import Context, Counts
from promptknn.table import Table
from promptknn.tables import PROMPT_TERMS, PROMPTS, REJECTED_PROMPTS
from tests.rows import add_raw
from tests.small import changed

TEXTS = (
    "a castle by Artgerm, sharp focus",
    "a castle, sharp focus",
    "a castle by, sharp focus",
    "a photorealistic castle in 8k, Artgerm\u2019s best",
    "zxcvbnm",
    "Mucha, zxcvbnm!",
    "a cafe\u0301 on a hill",
    "12345",
)
# Of terms that the texts above have, of these and a new one, and of none.
MORE = (
    "Artgerm (Mucha) on a hill",
    "sharp castle, sharp focus",
    "mucha, zxcvbnm",
    "a zebra by Mucha",
    "a castle, sharp focus",
    "ein Zebra steht auf einer grünen Wiese von Artgerm",
    "67890",
)
KEY = ("source", "source_row_id")
DROP_TERM = Settings.model_validate({"cleaning": {"vocabulary": {"mode": "drop_term"}}})
DROP_PROMPT = changed(DROP_TERM, cleaning__vocabulary__mode="drop_prompt")


class LakeKilledBefore(Lake):
    """Stands for a job that is killed once the prompts are written."""

    def replace(self, table: Table, rows: DataFrame, within: str | None = None) -> int:
        raise KeyboardInterrupt


def clean(lake: Lake, settings: Settings) -> Counts:
    return CleanPrompts().run(Context(lake.spark, lake, settings, lambda done, total: None))


def terms_table(lake: Lake) -> dict[str, Row]:
    return {row.term: row for row in lake.read(PROMPT_TERMS).collect()}


def refusals(lake: Lake) -> dict[str, tuple[str, str]]:
    rows = lake.read(REJECTED_PROMPTS).collect()
    return {row.text: (row.reason, row.detail) for row in rows}


def results(lake: Lake) -> list[DataFrame]:
    """Give all that a run of the stage decides, of prompts, refusals and terms."""
    return [
        lake.read(PROMPTS).select("prompt_id", "text", "original_text", *KEY),
        lake.read(REJECTED_PROMPTS).select(*KEY, "text", "reason", "detail"),
        lake.read(PROMPT_TERMS).select("term", "count", "nearest_word", "kept"),
    ]


@pytest.fixture(scope="module")
def dropped(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return cleaned(Lake(spark, str(tmp_path_factory.mktemp("dropped") / "lake"), "run"), DROP_TERM)


@pytest.fixture(scope="module")
def refused(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return cleaned(
        Lake(spark, str(tmp_path_factory.mktemp("refused") / "lake"), "run"), DROP_PROMPT
    )


def cleaned(lake: Lake, settings: Settings) -> Lake:
    add_raw(lake, "captions", TEXTS)
    counts = clean(lake, settings)
    assert counts.rows_in == counts.rows_out + counts.rows_rejected == len(TEXTS)
    return lake


def test_unknown_terms_leave_the_text_and_its_id(dropped: Lake) -> None:
    kept = {row.original_text: row for row in dropped.read(PROMPTS).collect()}
    assert {original: row.text for original, row in kept.items()} == {
        "a castle by Artgerm, sharp focus": "a castle by, sharp focus",
        "a castle, sharp focus": "a castle, sharp focus",
        "a photorealistic castle in 8k, Artgerm\u2019s best": "a photorealistic castle in 8k, best",
        "a cafe\u0301 on a hill": "a café on a hill",
    }
    assert all(row.prompt_id == prompt_id(row.text) for row in kept.values())


def test_prompts_of_unknown_terms_alone_are_refused(dropped: Lake) -> None:
    same = prompt_id("a castle by, sharp focus")
    assert refusals(dropped) == {
        "a castle by, sharp focus": ("exact_duplicate", same),
        "zxcvbnm": ("no_known_terms", "zxcvbnm"),
        "Mucha, zxcvbnm!": ("no_known_terms", "mucha zxcvbnm"),
        "12345": ("no_letters", ""),
    }


def test_prompt_terms_hold_count_nearest_word_and_similarity(dropped: Lake) -> None:
    terms = terms_table(dropped)
    assert terms.keys() == {
        "a", "castle", "by", "artgerm", "sharp", "focus", "photorealistic", "in", "artgerm's",
        "best", "zxcvbnm", "mucha", "café", "on", "hill",
    }  # fmt: skip
    assert {term for term, row in terms.items() if not row.kept} == {
        "artgerm", "artgerm's", "zxcvbnm", "mucha",
    }  # fmt: skip
    assert all(row.kept == (row.similarity >= 0.6) for row in terms.values())
    assert (terms["castle"].nearest_word, terms["castle"].similarity) == ("castle", 1.0)
    assert (terms["café"].nearest_word, terms["café"].similarity) == ("cafe", 1.0)
    assert terms["photorealistic"].similarity < 1
    models = Models.of(Settings())
    encoder = models.sentence_encoder()
    nearest = encoder.encode_texts(["artgerm", terms["artgerm"].nearest_word])
    assert terms["artgerm"].similarity == pytest.approx(float(nearest[0] @ nearest[1]), abs=1e-5)
    # An exact duplicate is no prompt; those refused for their terms count.
    counts = Counter(
        term
        for text in TEXTS
        if text != "a castle by, sharp focus"
        for term in terms_of(normalise(text))
    )
    assert {term: row["count"] for term, row in terms.items()} == counts


@pytest.fixture
def copied(dropped: Lake, lake: Lake) -> Lake:
    shutil.copytree(dropped.location, lake.location)
    return lake


def test_increments_add_their_counts_those_of_a_killed_run_too(copied: Lake) -> None:
    before = terms_table(copied)
    add_raw(copied, "more", ["a castle by WLOP, blurred", "12", "a zebra"])
    with pytest.raises(KeyboardInterrupt):
        clean(LakeKilledBefore(copied.spark, copied.location, "killed-run"), DROP_TERM)
    add_raw(copied, "last", ["a castle on the moon"])
    clean(copied, DROP_TERM)
    after = terms_table(copied)
    assert after.keys() - before.keys() == {"wlop", "blurred", "zebra", "the", "moon"}
    assert {after[term]["count"] for term in after.keys() - before.keys()} == {1}
    assert after["castle"]["count"] == before["castle"]["count"] + 2
    assert after["a"]["count"] == before["a"]["count"] + 3
    assert after["focus"] == before["focus"]
    assert all(after[term].judged_at == before[term].judged_at for term in before)


def test_another_limit_judges_known_terms_anew(copied: Lake) -> None:
    add_raw(copied, "more", ["a photorealistic zebra by Artgerm"])
    clean(copied, changed(DROP_TERM, cleaning__vocabulary__minimum_similarity=0.99))
    terms = terms_table(copied)
    assert not terms["photorealistic"].kept
    texts = {row.original_text: row.text for row in copied.read(PROMPTS).collect()}
    assert texts["a photorealistic zebra by Artgerm"] == "a zebra by"


def test_terms_too_many_for_a_worker_are_joined_to_the_same_end(dropped: Lake, lake: Lake) -> None:
    add_raw(lake, "captions", TEXTS)
    clean(lake, changed(DROP_TERM, cleaning__vocabulary__broadcast_below=0))
    for found, expected in zip(results(lake), results(dropped), strict=True):
        assertDataFrameEqual(found, expected)


@pytest.mark.parametrize(("first", "settings"), [("dropped", DROP_TERM), ("refused", DROP_PROMPT)])
def test_known_terms_are_judged_as_new_ones(
    spark: SparkSession,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    first: str,
    settings: Settings,
) -> None:
    at_once, one_by_one = (Lake(spark, str(tmp_path / name), "run") for name in ("at", "by"))
    add_raw(at_once, "captions", TEXTS)
    shutil.copytree(request.getfixturevalue(first).location, one_by_one.location)
    for lake in (at_once, one_by_one):
        add_raw(lake, "more", MORE)
        clean(lake, settings)
    for found, expected in zip(results(one_by_one), results(at_once), strict=True):
        assertDataFrameEqual(found, expected)


def test_what_is_left_of_a_prompt_must_pass_the_policy(lake: Lake) -> None:
    add_raw(lake, "captions", ["a castle Artgerm focus", "a castle, sharp focus"])
    clean(lake, changed(DROP_TERM, policy__terms=["castle focus"]))
    assert [row.text for row in lake.read(PROMPTS).collect()] == ["a castle, sharp focus"]
    assert refusals(lake) == {"a castle Artgerm focus": ("policy_term", "castle focus")}


def test_drop_prompt_refuses_and_names_the_first_unknown_term(refused: Lake, lake: Lake) -> None:
    cleaned(lake, changed(DROP_PROMPT, cleaning__vocabulary__broadcast_below=0))
    for each in (refused, lake):
        texts = {row.text for row in each.read(PROMPTS).collect()}
        assert texts == {"a castle, sharp focus", "a castle by, sharp focus", "a café on a hill"}
        assert refusals(each) == {
            "a castle by Artgerm, sharp focus": ("unknown_term", "artgerm"),
            "a photorealistic castle in 8k, Artgerm\u2019s best": ("unknown_term", "artgerm's"),
            "zxcvbnm": ("unknown_term", "zxcvbnm"),
            "Mucha, zxcvbnm!": ("unknown_term", "mucha"),
            "12345": ("no_letters", ""),
        }
