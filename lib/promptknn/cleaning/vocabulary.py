"""The vocabulary rule: terms that no word of the sentence model is like (paper, section 3.1).

A term is a run of letters, apostrophes within it included, in lower case. What holds a digit ("8k",
"35mm") is no term and is never judged: the vocabulary's words are of letters only. A term that is a
whole word of the vocabulary is known; any other is as like the vocabulary as its most similar word.
"""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import faiss
import numpy as np
import numpy.typing as npt
import regex

from promptknn.encoders.encoder import Vectors
from promptknn.errors import SettingsError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Similarities = npt.NDArray[np.float64]

# Takes all of a run, or nothing: never the letters before or after a digit.
_TERM = regex.compile(
    r"(?<![\p{L}\p{M}\p{N}])(?<![\p{L}\p{M}\p{N}]['\u2019])"
    r"[\p{L}\p{M}]++(?:['\u2019][\p{L}\p{M}]++)*+(?!['\u2019]?\p{N})"
)
# The same of ASCII alone, by the standard library: two to three times as fast.
_ASCII_TERM = re.compile(r"(?<![A-Za-z0-9])(?<![A-Za-z0-9]')[A-Za-z]++(?:'[A-Za-z]++)*+(?!'?[0-9])")
# Words alone in lower case, where there is no apostrophe: twice as fast again.
_WORDS = bytes(
    byte if byte < 128 and chr(byte).isalnum() else ord(" ") for byte in range(256)
).lower()
# Stands where a term was; cleaning has refused prompts that hold one.
_GAP = "\x00"
_BETWEEN = r"[\s,;:.!?/|&+_\-\u2013\u2014#@]*"
_OPENING, _CLOSING = r"[(\[{<\"'\u2018\u201c]", r"[)\]}>\"'\u2019\u201d]"
_EMPTY_BRACKETS = re.compile(rf"{_OPENING}{_BETWEEN}(?:\x00{_BETWEEN})+{_CLOSING}")
_GAPS = re.compile(rf"(?P<left>{_BETWEEN})\x00(?:{_BETWEEN}\x00)*(?P<right>{_BETWEEN})")
_SENTENCE_ENDS = ".!?"
_CLOSING_MARKS = ",;:.!?"
_JOINERS = "-_/#@"


def terms_of(text: str) -> list[str]:
    """Give the distinct terms of a normalised text, in their order."""
    found: Iterable[str]
    if not text.isascii():
        found = map(_term, _TERM.findall(text))
    elif "'" in text:
        found = _ASCII_TERM.findall(text.lower())
    else:
        found = filter(str.isalpha, text.encode().translate(_WORDS).decode().split())
    return list(dict.fromkeys(found))


def whole_words(tokenizer: "Tokenizer") -> list[str]:
    """Give the whole words of letters in a WordPiece vocabulary, sorted: no pieces, no marks.

    Raises:
        SettingsError: the tokenizer does not tell whole words from pieces.
    """
    from tokenizers.models import WordPiece

    if not isinstance(tokenizer.model, WordPiece):
        raise SettingsError(
            "cleaning.vocabulary: the tokenizer of `sentence.model` has no WordPiece vocabulary of "
            "whole words: set `cleaning.vocabulary.mode` to off, or take all-MiniLM-L6-v2."
        )
    return sorted(word for word in tokenizer.get_vocab() if word.isalpha())


def as_tokenized(term: str, tokenizer: "Tokenizer") -> str:
    """Write a term as the vocabulary would: without accents, say."""
    return str(tokenizer.normalizer.normalize_str(term)) if tokenizer.normalizer else term


def nearest_words(terms: Vectors, words: Vectors) -> tuple[Similarities, npt.NDArray[np.int64]]:
    """Find each term's most similar word.

    Args:
        terms: float32, (n, d), unit rows.
        words: float32, (v, d), unit rows.

    Returns:
        Cosines, float64 (n,), and positions among the words, int64 (n,).
    """
    similarities, positions = faiss.knn(terms, words, 1, metric=faiss.METRIC_INNER_PRODUCT)
    return similarities[:, 0].astype(np.float64), positions[:, 0]


def without_terms(text: str, terms: Sequence[str]) -> str:
    """Take terms out of a normalised text, with the punctuation that served them alone.

    Of the separators on both sides of a term one is left; brackets and quotes left empty go.
    `without_terms` of a text without those terms is that text.
    """
    unwanted = frozenset(terms)
    pattern = _ASCII_TERM if text.isascii() else _TERM
    holed = pattern.sub(lambda found: _GAP if _term(found[0]) in unwanted else found[0], text)
    if _GAP not in holed:
        return text
    while (closed := _EMPTY_BRACKETS.sub(_GAP, holed)) != holed:
        holed = closed
    mended: str = _GAPS.sub(_mended, holed)
    return mended.strip()


def _term(found: str) -> str:
    return found.lower().replace("\u2019", "'")


def _mended(gap: re.Match[str]) -> str:
    left, right = gap["left"], gap["right"]
    at_start, at_end = gap.start() == 0, gap.end() == len(gap.string)
    if at_start:
        return ""
    if at_end:
        return next((mark for mark in right if mark in _SENTENCE_ENDS), "")
    if left == right and left in tuple(_JOINERS):
        return str(left)
    # A joiner that touches only the term goes with it.
    before, after = left.rstrip(_JOINERS).strip(), right.lstrip(_JOINERS).strip()
    kept = after if after[:1] and after[0] in _SENTENCE_ENDS else before or after
    if not kept:
        return " "
    return f"{kept} " if kept[0] in _CLOSING_MARKS else f" {kept} "
