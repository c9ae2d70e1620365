"""Splitting long documents (books, news, forum posts) into prompts of bounded length, by sentence.

A sentence ends at . ! ? … where the next word does not begin small, at the full stops of Chinese
and Japanese, and at an empty line. Nothing but white space is lost, and no word is cut.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import cast

import pandas as pd
from pydantic import Field, model_validator
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf

from promptknn.section import Section
from promptknn.sources.source import content_hash

_EMPTY_LINE = re.compile(r"\n\s*\n")
_CLOSING = r"[\"'”’»)\]}」』]*"
_SENTENCE_END = re.compile(rf"[.!?…。！？]{_CLOSING}$")
_CLAUSE_END = re.compile(rf"[,;:—–)、，；：]{_CLOSING}$")
# Chinese and Japanese put no white space between sentences.
_WITHIN_WORD = re.compile(rf"(?<=[。！？])(?!{_CLOSING}$)(?![\"'”’»)\]}}」』。！？])")
_SMALL = re.compile(r"[\"'“‘«(\[{]*[a-zß-öø-ÿ]")
_ABBREVIATION = re.compile(
    r"[\"'“‘«(\[]*(?:[A-Z]|Mr|Mrs|Ms|Messrs|Dr|Prof|St|Mt|Gen|Col|Capt|Lt|Sgt|Rev|Hon|Vol|Fig|vs|"
    r"cf|ca|approx|(?:[A-Za-z]\.)+[A-Za-z])\."
)


class SplitSettings(Section):
    """How long the pieces of a document are, in characters."""

    maximum_characters: int = Field(default=300, ge=1)
    minimum_characters: int = Field(default=20, ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> "SplitSettings":
        if self.minimum_characters > self.maximum_characters:
            raise ValueError("minimum_characters must not be above maximum_characters")
        return self


def split(text: str, settings: SplitSettings) -> list[str]:
    """Split a text into its sentences.

    A sentence above the maximum is cut after a clause, else between words. A piece below the
    minimum is joined with the next, or else with the one before, wherever the maximum allows it.
    Only a single word may be above the maximum, and only a piece whose neighbours are too long for
    it below the minimum.

    Returns:
        The pieces in order, their white space made single spaces; none for a text without words.
    """
    pieces = (piece for sentence in _sentences(text) for piece in _cut(sentence, settings))
    return _joined(pieces, settings)


def split_rows(rows: DataFrame, settings: SplitSettings) -> DataFrame:
    """Make each piece of each text a row.

    A piece is named by its document and its own text, so that a document that grows, or other
    settings, never give one name to two texts. Its place in the document is `piece` in `metadata`.

    Args:
        rows: source_row_id, text, image_uri and metadata. A text without words stays one row.
        settings: the bounds.

    Returns:
        The same columns.
    """
    pieces = rows.select("*", F.posexplode(_pieces(settings)(F.col("text"))))
    own = F.map_filter("metadata", lambda key, _: key != "piece")
    number = F.create_map(F.lit("piece"), F.col("pos").cast("string"))
    row_id = F.concat_ws("-", "source_row_id", content_hash(F.col("col")))
    return pieces.select(
        row_id.alias("source_row_id"),
        F.col("col").alias("text"),
        "image_uri",
        F.map_concat(own, number).alias("metadata"),
    )


def _pieces(settings: SplitSettings) -> Callable[[Column], Column]:
    def split_batches(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for texts in batches:
            yield texts.map(lambda text: split(text or "", settings) or [text])

    udf = pandas_udf(split_batches, "array<string>")  # type: ignore[call-overload]
    return cast(Callable[[Column], Column], udf)


def _sentences(text: str) -> Iterator[list[str]]:
    for paragraph in _EMPTY_LINE.split(text):
        words = [part for word in paragraph.split() for part in _WITHIN_WORD.split(word)]
        start = 0
        for end in range(1, len(words) + 1):
            if end == len(words) or _ends_sentence(words[end - 1], words[end]):
                yield words[start:end]
                start = end


def _ends_sentence(word: str, following: str) -> bool:
    if not _SENTENCE_END.search(word) or _SMALL.match(following):
        return False
    return not _ABBREVIATION.fullmatch(word)


def _cut(words: Sequence[str], settings: SplitSettings) -> Iterator[str]:
    most, least = settings.maximum_characters, settings.minimum_characters
    start, rest = 0, sum(map(len, words)) + len(words) - 1
    while rest > most and start + 1 < len(words):
        best, size = (False, False, 0, 0), -1
        for end in range(start + 1, len(words)):
            size += len(words[end - 1]) + 1
            if size > most and end > start + 1:
                break
            balanced = min(size, rest - size - 1) >= least
            # A clause that ends early would make many small pieces of one sentence.
            after_clause = 2 * size >= most and bool(_CLAUSE_END.search(words[end - 1]))
            best = max(best, (balanced, after_clause, size, end))
        *_, size, end = best
        yield " ".join(words[start:end])
        start, rest = end, rest - size - 1
    yield " ".join(words[start:])


def _joined(pieces: Iterable[str], settings: SplitSettings) -> list[str]:
    forward: list[str] = []
    for piece in pieces:
        _put(forward, piece, settings, join=bool(forward) and _is_short(forward[-1], settings))
    backward: list[str] = []
    for piece in forward:
        _put(backward, piece, settings, join=bool(backward) and _is_short(piece, settings))
    return backward


def _is_short(piece: str, settings: SplitSettings) -> bool:
    return len(piece) < settings.minimum_characters


def _put(pieces: list[str], piece: str, settings: SplitSettings, join: bool) -> None:
    if join and len(pieces[-1]) + 1 + len(piece) <= settings.maximum_characters:
        pieces[-1] += " " + piece
    else:
        pieces.append(piece)
