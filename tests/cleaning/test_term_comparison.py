from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from promptknn.cleaning.term_comparison import Words, compare_terms, embedded_words
from promptknn.cleaning.vocabulary import whole_words
from promptknn.encoders.models import Models
from promptknn.encoders.reference_texts import reference_vectors
from promptknn.settings import Settings

MODELS = Models.of(Settings())
VOCABULARY = ["cafe", "castle", "dog", "rocket"]


@pytest.fixture(scope="module")
def words() -> Words:
    """A small vocabulary with the vectors of the real model."""
    return Words(VOCABULARY, MODELS.sentence_encoder().encode_texts(VOCABULARY))


def compared(words: Words, *batches: list[str]) -> list[dict[str, object]]:
    compare = compare_terms(MODELS.sentence, MODELS.sentence_identity, words)
    columns = (pa.RecordBatch.from_pydict({"term": terms}) for terms in batches)
    return [row for batch in compare(columns) for row in batch.to_pylist()]


def test_each_term_has_its_nearest_word_and_their_cosine(words: Words) -> None:
    terms = ["castles", "puppy", "spaceship"]
    rows = {row["term"]: row for row in compared(words, terms)}
    assert [rows[term]["nearest_word"] for term in terms] == ["castle", "dog", "rocket"]
    cosines = MODELS.sentence_encoder().encode_texts(terms) @ words.vectors.T
    for term, best in zip(terms, cosines.max(axis=1), strict=True):
        assert rows[term]["similarity"] == pytest.approx(best, abs=1e-5)
        assert best < 0.99


def test_a_whole_word_is_its_own_nearest_whatever_vectors_say(words: Words) -> None:
    swapped = Words(words.words, words.vectors[::-1])
    (row,) = compared(swapped, ["castle"])
    assert row == {"term": "castle", "nearest_word": "castle", "similarity": 1.0}


def test_a_whole_word_is_known_with_the_accents_that_the_vocabulary_has_not(words: Words) -> None:
    swapped = Words(words.words, words.vectors[::-1])
    (row,) = compared(swapped, ["café"])
    assert row == {"term": "café", "nearest_word": "cafe", "similarity": 1.0}


def test_every_term_of_every_batch_has_one_row(words: Words) -> None:
    batches = [["castle", "artgerm", "dog"], ["mucha"], [], ["rocket"]]
    found = [row["term"] for row in compared(words, *batches)]
    assert sorted(map(str, found)) == ["artgerm", "castle", "dog", "mucha", "rocket"]


def test_a_vocabulary_that_was_embedded_before_needs_no_session(tmp_path: Path) -> None:
    listed = whole_words(MODELS.sentence_encoder().tokenizer)
    kept = np.arange(len(listed) * 2, dtype=np.float32).reshape(-1, 2)
    reference_vectors(tmp_path, MODELS.sentence_identity, listed, lambda: kept)
    none = cast(SparkSession, None)
    found = embedded_words(none, MODELS.sentence, MODELS.sentence_identity, tmp_path)
    assert found.words == listed
    assert np.array_equal(found.vectors, kept)
