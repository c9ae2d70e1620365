"""Comparing terms with the words of the sentence model's vocabulary, inside Spark's workers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyspark.sql import SparkSession

from promptknn.arrow_vectors import from_arrow, to_arrow
from promptknn.cleaning.vocabulary import as_tokenized, nearest_words, whole_words
from promptknn.encoders.encoder import Vectors
from promptknn.encoders.reference_texts import reference_vectors
from promptknn.encoders.sentence import sentence_encoder
from promptknn.settings import SentenceSettings
from promptknn.tables import PROMPT_TERMS

NEAREST = PROMPT_TERMS.schema("term", "nearest_word", "similarity")

_WORDS_A_TASK = 8_000


@dataclass(frozen=True)
class Words:
    """The whole words of a vocabulary.

    Attributes:
        words: in the order of the vectors.
        vectors: float32, (v, d), unit rows.
    """

    words: list[str]
    vectors: Vectors


def embedded_words(
    spark: SparkSession, sentence: SentenceSettings, identity: str, cache: Path
) -> Words:
    """Embed the vocabulary, once a machine: as many words as the model has, whatever the prompts.

    Args:
        spark: the session whose tasks embed.
        sentence: the model.
        identity: of the model.
        cache: folder where the vectors are kept.

    Raises:
        SettingsError: the model's tokenizer has no whole words.
    """
    words = whole_words(sentence_encoder(sentence, identity).tokenizer)
    vectors = reference_vectors(
        cache, identity, words, lambda: _embedded(spark, sentence, identity, words)
    )
    return Words(words, vectors)


def _embedded(
    spark: SparkSession, sentence: SentenceSettings, identity: str, words: list[str]
) -> Vectors:
    def embed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        encoder = sentence_encoder(sentence, identity)
        for batch in batches:
            vectors = to_arrow(encoder.encode_texts(batch.column("word").to_pylist()))
            yield pa.RecordBatch.from_arrays([batch.column("word"), vectors], ["word", "vector"])

    embedded = (
        spark.createDataFrame(pa.table({"word": words}))
        .repartition(-(-len(words) // _WORDS_A_TASK))
        .mapInArrow(embed, "word string, vector array<float>")
        .toArrow()
        .sort_by("word")
    )
    # Arrow sorts words as Python does: by code point.
    return from_arrow(embedded.column("vector"))


def compare_terms(
    sentence: SentenceSettings, identity: str, words: Words
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that finds each term's nearest word: term -> NEAREST.

    A term that is a whole word is not embedded: its nearest word is itself.
    """

    def compare(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        encoder = sentence_encoder(sentence, identity)
        whole = frozenset(words.words)
        for batch in batches:
            terms = batch.column("term").to_pylist()
            spelled = {term: as_tokenized(term, encoder.tokenizer) for term in terms}
            known = [term for term in terms if spelled[term] in whole]
            unknown = [term for term in terms if spelled[term] not in whole]
            nearest = [spelled[term] for term in known]
            similarities = [1.0] * len(known)
            if unknown:
                cosines, positions = nearest_words(encoder.encode_texts(unknown), words.vectors)
                nearest += [words.words[position] for position in positions]
                similarities += cosines.tolist()
            yield pa.RecordBatch.from_pydict({
                "term": pa.array(known + unknown, pa.string()),
                "nearest_word": pa.array(nearest, pa.string()),
                "similarity": pa.array(similarities, pa.float64()),
            })  # fmt: skip

    return compare
