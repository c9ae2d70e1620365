import shutil
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual
from tokenizers import Tokenizer
from tokenizers.models import BPE

from promptknn.cleaning.clean import CleanPrompts
from promptknn.cleaning.normalisation import normalise
from promptknn.cleaning.prompt_terms import terms_in
from promptknn.cleaning.vocabulary import (
    as_tokenized,
    nearest_words,
    terms_of,
    whole_words,
    without_terms,
)
from promptknn.deduplication.exact import prompt_id
from promptknn.encoders.encoder import unit
from promptknn.encoders.models import Models
from promptknn.errors import SettingsError
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
DROP_TERM = Settings.model_validate({"cleaning": {"vocabulary": {"mode": "drop_term"}}})
DROP_PROMPT = changed(DROP_TERM, cleaning__vocabulary__mode="drop_prompt")


class LakeKilledBefore(Lake):
    """Stands for a job that is killed once the prompts are written."""

    def replace(self, table: Table, rows: DataFrame, within: str | None = None) -> int:
        raise KeyboardInterrupt


def test_terms_are_runs_of_letters_in_lower_case(spark: SparkSession) -> None:
    terms = {
        "A cat, a CAT and a dog": ["a", "cat", "and", "dog"],
        "women's hats, women\u2019s shoes": ["women's", "hats", "shoes"],
        "hyper-real 8k 35mm f/1.8 render": ["hyper", "real", "f", "render"],
        "Zdzisław का घर": ["zdzisław", "का", "घर"],
        "'quoted' rock'n'roll": ["quoted", "rock'n'roll"],
        "4 k, 100%": ["k"],
        "": [],
    }
    assert {text: terms_of(text) for text in terms} == terms
    frame = spark.createDataFrame(pa.table({"text": list(terms)}))
    found = frame.select("text", terms_in(F.col("text")).alias("terms")).collect()
    assert {row.text: row.terms for row in found} == terms


@pytest.mark.parametrize(
    ("text", "dropped", "left"),
    [
        ("artgerm, a cat", "artgerm", "a cat"),
        ("a cat, artgerm", "artgerm", "a cat"),
        ("a cat, Artgerm, WLOP, sharp focus", "artgerm wlop", "a cat, sharp focus"),
        ("a cat (artgerm), sharp", "artgerm", "a cat, sharp"),
        ("((artgerm, wlop)) cat", "artgerm wlop", "cat"),
        ('the "artgerm" sign', "artgerm", "the sign"),
        ("art by mucha and greg.", "mucha", "art by and greg."),
        ("art by greg and mucha.", "mucha", "art by greg and."),
        ("a cat. mucha! A dog", "mucha", "a cat! A dog"),
        ("hyper-mucha cat", "mucha", "hyper cat"),
        ("a-mucha-b", "mucha", "a-b"),
        ("art | mucha | 8k", "mucha", "art | 8k"),
        ("a #mucha tag", "mucha", "a tag"),
        ("mucha's cat, mucha\u2019s dog", "mucha's", "cat, dog"),
        ("muchas gracias, mucha2", "mucha", "muchas gracias, mucha2"),
        ("mucha", "mucha", ""),
    ],
)
def test_dropped_terms_take_their_own_punctuation_along(text: str, dropped: str, left: str) -> None:
    assert without_terms(text, dropped.split()) == left


texts = st.text(alphabet="abC é'\u2019,.!()-_ 1ñ|", max_size=40).map(normalise)

RUN = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:['\u2019][\p{L}\p{M}\p{N}]+)*")


@given(text=texts)
def test_a_run_with_a_digit_is_no_term_and_any_other_is_one(text: str) -> None:
    runs = [run.lower().replace("\u2019", "'") for run in RUN.findall(text)]
    assert terms_of(text) == list(dict.fromkeys(run for run in runs if "1" not in run))


@given(text=texts, terms=st.lists(st.sampled_from(["a", "b", "ab", "é", "c'a", "ñ"]), max_size=4))
def test_without_terms_leaves_just_the_other_terms(text: str, terms: list[str]) -> None:
    left = without_terms(text, terms)
    assert terms_of(left) == [term for term in terms_of(text) if term not in terms]
    assert left == normalise(left)
    assert without_terms(left, terms) == left
    if not set(terms) & set(terms_of(text)):
        assert left == text


def test_whole_words_are_the_vocabulary_without_pieces_and_marks() -> None:
    tokenizer = Models.of(Settings()).sentence_encoder().tokenizer
    words = set(whole_words(tokenizer))
    assert {"castle", "artwork", "stanisław"} <= words
    assert not words & {"[CLS]", "[unused1]", "##ing", ",", "1990", "artgerm"}
    assert as_tokenized("café", tokenizer) == "cafe"


def test_a_tokenizer_without_whole_words_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"set `cleaning\.vocabulary\.mode` to off"):
        whole_words(Tokenizer(BPE()))


def test_nearest_word_is_that_of_the_largest_cosine() -> None:
    draw = np.random.default_rng(0)
    terms, words = (unit(draw.normal(size=(n, 16)).astype(np.float32)) for n in (50, 300))
    similarities, positions = nearest_words(terms, words)
    cosines = terms @ words.T
    assert positions.tolist() == cosines.argmax(axis=1).tolist()
    assert similarities == pytest.approx(cosines.max(axis=1), abs=1e-6)


def clean(lake: Lake, settings: Settings) -> Counts:
    return CleanPrompts().run(Context(lake.spark, lake, settings, lambda done, total: None))


def terms_table(lake: Lake) -> dict[str, Row]:
    return {row.term: row for row in lake.read(PROMPT_TERMS).collect()}


def refusals(lake: Lake) -> dict[str, tuple[str, str]]:
    rows = lake.read(REJECTED_PROMPTS).collect()
    return {row.text: (row.reason, row.detail) for row in rows}


@pytest.fixture(scope="module")
def dropped(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(spark, str(tmp_path_factory.mktemp("dropped") / "lake"), "first-run")
    add_raw(lake, "captions", TEXTS)
    counts = clean(lake, DROP_TERM)
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
    for table, columns in (
        (PROMPTS, ("prompt_id", "text", "original_text", "source_row_id")),
        (REJECTED_PROMPTS, ("source_row_id", "text", "reason", "detail")),
        (PROMPT_TERMS, ("term", "count", "nearest_word", "kept")),
    ):
        assertDataFrameEqual(*(each.read(table).select(*columns) for each in (lake, dropped)))


@pytest.mark.parametrize("broadcast_below", [0, 1_000])
def test_drop_prompt_refuses_and_names_the_first_unknown_term(
    lake: Lake, broadcast_below: int
) -> None:
    add_raw(lake, "captions", TEXTS)
    clean(lake, changed(DROP_PROMPT, cleaning__vocabulary__broadcast_below=broadcast_below))
    texts = {row.text for row in lake.read(PROMPTS).collect()}
    assert texts == {"a castle, sharp focus", "a castle by, sharp focus", "a café on a hill"}
    assert refusals(lake) == {
        "a castle by Artgerm, sharp focus": ("unknown_term", "artgerm"),
        "a photorealistic castle in 8k, Artgerm\u2019s best": ("unknown_term", "artgerm's"),
        "zxcvbnm": ("unknown_term", "zxcvbnm"),
        "Mucha, zxcvbnm!": ("unknown_term", "mucha"),
        "12345": ("no_letters", ""),
    }
