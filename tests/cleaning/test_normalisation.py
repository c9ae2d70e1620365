import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptknn.cleaning.normalisation import normalise

# Composed and decomposed letters, marks on their own, every kind of white space, and the rest.
LETTERS_AND_MARKS = "eé\u0301\u0323\u1e69가\u1100\u1161"
SPACES = " \t\n\r\v\f\x1c\x85\xa0\u1680\u2000\u2028\u3000\u200b"
HOSTILE = st.text(
    st.sampled_from(LETTERS_AND_MARKS + SPACES) | st.characters(exclude_categories=["Cs"])
)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("a  cat", "a cat"),
        ("\ta cat\r\n", "a cat"),
        ("a\u00a0cat\u3000sleeps", "a cat sleeps"),
        ("cafe\u0301", "café"),
        ("\u212b", "Å"),
        ("A Cat, 8K!", "A Cat, 8K!"),
        ("ﬁne", "ﬁne"),
        ("🎨 👩‍🎨", "🎨 👩‍🎨"),
        (" \n\t ", ""),
        ("", ""),
    ],
)
def test_composes_and_makes_white_space_one_space(text: str, normal: str) -> None:
    assert normalise(text) == normal


@given(HOSTILE)
def test_a_normal_text_stays_as_it_is(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@given(HOSTILE)
def test_a_normal_text_is_composed_and_has_single_inner_spaces_only(text: str) -> None:
    normal = normalise(text)
    assert unicodedata.is_normalized("NFC", normal)
    assert normal == " ".join(normal.split())


@given(HOSTILE)
def test_composed_and_decomposed_texts_become_the_same(text: str) -> None:
    assert normalise(unicodedata.normalize("NFD", text)) == normalise(text)


@given(HOSTILE)
def test_only_white_space_is_lost(text: str) -> None:
    before, after = unicodedata.normalize("NFC", text), normalise(text)
    assert "".join(before.split()) == "".join(after.split())
