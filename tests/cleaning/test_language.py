import pytest

from promptknn.cleaning.language import UNKNOWN, identify


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


@pytest.mark.parametrize("text", ["", " ", "\n\t \u3000"])
def test_an_empty_text_has_no_language(text: str) -> None:
    assert identify(text) == (UNKNOWN, 0.0)


@pytest.mark.parametrize("text", ["12345", "!!!", "🎉🎉", "\x00"])
def test_a_text_without_words_is_a_guess_with_a_low_score(text: str) -> None:
    assert identify(text)[1] < 0.5


def test_line_breaks_do_not_matter() -> None:
    assert identify("a photo of\na cat\r\non a sofa") == identify("a photo of a cat on a sofa")


def test_a_long_text_is_judged_by_its_start() -> None:
    start = "a photo of a cat sleeping on a sofa " * 20
    assert identify(start + "ein Foto von einer Katze " * 500) == identify(start)
