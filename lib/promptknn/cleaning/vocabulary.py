"""The vocabulary rule: terms that no word of the sentence model is like (paper, section 3.1).

A term that is a whole word of the vocabulary is known; any other is as like the vocabulary as its
most similar word.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from promptknn.encoders.encoder import Vectors
from promptknn.errors import SettingsError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Similarities = npt.NDArray[np.float64]

# A product whose cosines to a few thousand terms stay in the processor's cache.
_WORDS_AT_ONCE = 512


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
    similarities = np.full(len(terms), -np.inf, dtype=np.float32)
    positions = np.zeros(len(terms), dtype=np.int64)
    for start in range(0, len(words), _WORDS_AT_ONCE):
        cosines = terms @ words[start : start + _WORDS_AT_ONCE].T
        nearest = cosines.argmax(axis=1)
        found = cosines[np.arange(len(terms)), nearest]
        nearer = found > similarities
        similarities[nearer], positions[nearer] = found[nearer], start + nearest[nearer]
    return similarities.astype(np.float64), positions
