import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE

from promptknn.cleaning.vocabulary import as_tokenized, nearest_words, whole_words
from promptknn.encoders.encoder import unit
from promptknn.encoders.models import Models
from promptknn.errors import SettingsError
from promptknn.settings import Settings


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
    terms, words = (unit(draw.normal(size=(n, 16)).astype(np.float32)) for n in (300, 1_300))
    similarities, positions = nearest_words(terms, words)
    cosines = terms @ words.T
    assert positions.tolist() == cosines.argmax(axis=1).tolist()
    assert similarities == pytest.approx(cosines.max(axis=1), abs=1e-6)
    _, first = nearest_words(terms, np.concatenate([words, words]))
    assert first.tolist() == positions.tolist()
