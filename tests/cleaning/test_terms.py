from collections import Counter

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from promptknn.cleaning.normalisation import normalise
from promptknn.cleaning.terms import (
    distinct_terms,
    term_counts,
    terms_among,
    terms_of,
    without_terms,
)


def test_terms_are_runs_of_letters_in_lower_case() -> None:
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


# Half of them of ASCII alone, which have ways of their own: with an apostrophe, and without.
texts = st.one_of(
    st.text(alphabet="abC '\",.!()-_ 1|", max_size=40),
    st.text(alphabet="abC é'\u2019,.!()-_ 1ñ|", max_size=40),
).map(normalise)

RUN = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:['\u2019][\p{L}\p{M}\p{N}]+)*")


@given(text=texts)
def test_a_run_with_a_digit_is_no_term_and_any_other_is_one(text: str) -> None:
    runs = [run.lower().replace("\u2019", "'") for run in RUN.findall(text)]
    assert terms_of(text) == list(dict.fromkeys(run for run in runs if "1" not in run))


@given(text=st.text(st.characters(max_codepoint=127), max_size=40).map(normalise))
def test_ascii_alone_has_the_terms_that_it_has_among_other_letters(text: str) -> None:
    others = f"é, {text}"
    assert terms_of(others) == list(dict.fromkeys(["é", *terms_of(text)]))
    dropped = terms_of(text)[::2]
    left = without_terms(others, dropped).removeprefix("é").lstrip(",;:.!?/|&+_-#@ ")
    assert terms_of(left) == terms_of(without_terms(text, dropped))


@given(text=texts, terms=st.lists(st.sampled_from(["a", "b", "ab", "é", "c'a", "ñ"]), max_size=4))
def test_without_terms_leaves_just_the_other_terms(text: str, terms: list[str]) -> None:
    left = without_terms(text, terms)
    assert terms_of(left) == [term for term in terms_of(text) if term not in terms]
    assert left == normalise(left)
    assert without_terms(left, terms) == left
    if not set(terms) & set(terms_of(text)):
        assert left == text


@given(
    text=st.text(st.sampled_from("aAb ,-(2)\u00e9'"), max_size=30).map(normalise),
    terms=st.lists(st.sampled_from(["a", "b", "ab", "b2", "\u00e9", "a'b", "a,b", "a b"])),
)
def test_ascii_alone_loses_the_terms_that_it_loses_among_other_letters(
    text: str, terms: list[str]
) -> None:
    among_others = without_terms(f"{text} \u00f1", terms)
    assert without_terms(f"{text} n", terms) == among_others.replace("\u00f1", "n")


@given(
    listed=st.lists(st.text(st.sampled_from("aB '2,-\u00e9\u2019"), max_size=12).map(normalise)),
    some=st.frozensets(st.sampled_from(["a", "b", "ab", "\u00e9", "a'b", "b2", "a b"])),
)
def test_many_texts_have_the_terms_of_each(listed: list[str], some: frozenset[str]) -> None:
    each = [terms_of(text) for text in listed]
    assert distinct_terms(listed) == {term for terms in each for term in terms}
    assert term_counts(listed) == Counter(term for terms in each for term in terms)
    among = [[term for term in terms if term in some] for terms in each]
    assert [terms_among(text, some) for text in listed] == among
