"""Terms: the words of prompts that the vocabulary rule judges, found and taken out.

A term is a run of letters, apostrophes within it included, in lower case. What holds a digit ("8k",
"35mm") is no term and is never judged: the vocabulary's words are of letters only.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import regex

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
    if _is_plain(text):
        found = filter(str.isalpha, _words(text).split())
    elif text.isascii():
        found = _ASCII_TERM.findall(text.lower())
    else:
        found = map(_term, _TERM.findall(text))
    return list(dict.fromkeys(found))


def terms_among(text: str, some: frozenset[str]) -> list[str]:
    """Give those of the distinct terms of a normalised text that are among some, in their order."""
    if _is_plain(text) and some.isdisjoint(_words(text).split()):
        return []
    return [term for term in terms_of(text) if term in some]


def distinct_terms(texts: Iterable[str]) -> set[str]:
    """Give the terms of normalised texts, each once."""
    plain, others = _parted(texts)
    found = set(filter(str.isalpha, set(_words(" ".join(plain)).split())))
    return found.union(*map(terms_of, others))


def term_counts(texts: Iterable[str]) -> Mapping[str, int]:
    """Count how many of some normalised texts hold each term."""
    plain, others = _parted(texts)
    words: list[str] = []
    for text in plain:
        words.extend(set(_words(text).split()))
    counts = Counter({word: count for word, count in Counter(words).items() if word.isalpha()})
    for text in others:
        counts.update(terms_of(text))
    return counts


def without_terms(text: str, terms: Sequence[str]) -> str:
    """Take terms out of a normalised text, with the punctuation that served them alone.

    Of the separators on both sides of a term one is left; brackets and quotes left empty go.
    `without_terms` of a text without those terms is that text.
    """
    unwanted = frozenset(terms)
    holed = _holed_plain(text, unwanted) if _is_plain(text) else _holed(text, unwanted)
    if _GAP not in holed:
        return text
    while (closed := _EMPTY_BRACKETS.sub(_GAP, holed)) != holed:
        holed = closed
    mended: str = _GAPS.sub(_mended, holed)
    return mended.strip()


def _parted(texts: Iterable[str]) -> tuple[list[str], list[str]]:
    plain: list[str] = []
    others: list[str] = []
    for text in texts:
        (plain if _is_plain(text) else others).append(text)
    return plain, others


def _is_plain(text: str) -> bool:
    return text.isascii() and "'" not in text


def _words(text: str) -> str:
    """Give a plain text in lower case, and as many spaces as there are other marks."""
    return text.encode().translate(_WORDS).decode()


def _holed(text: str, unwanted: frozenset[str]) -> str:
    pattern = _ASCII_TERM if text.isascii() else _TERM
    return pattern.sub(lambda found: _GAP if _term(found[0]) in unwanted else found[0], text)


def _holed_plain(text: str, unwanted: frozenset[str]) -> str:
    # Looks for each term, where the pattern would look at each word.
    words, found = f" {_words(text)} ", []
    for term in filter(str.isalpha, unwanted):
        start = words.find(f" {term} ")
        while start >= 0:
            found.append((start, start + len(term)))
            start = words.find(f" {term} ", start + 1)
    for start, end in sorted(found, reverse=True):
        text = text[:start] + _GAP + text[end:]
    return text


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
