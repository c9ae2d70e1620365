import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptknn.cleaning.term_removal import without_unknown
from promptknn.cleaning.vocabulary import terms_of, without_terms

WORDS = st.sampled_from(["cat", "dog", "qzx", "don't", "8k", "artgerm", ",", "(artgerm)"])
TEXTS = st.lists(WORDS, max_size=6).map(" ".join)
UNKNOWN = ["artgerm", "don't", "qzx"]


def _batch(
    texts: list[str], terms: list[list[str] | None], **others: list[object]
) -> pa.RecordBatch:
    columns = {
        "text": pa.array(texts, pa.string()),
        "terms": pa.array(terms, pa.list_(pa.string())),
    }
    return pa.RecordBatch.from_pydict({**others, **columns})


@given(texts=st.lists(TEXTS, max_size=8), start=st.integers(0, 3))
def test_unknown_terms_are_left_in_terms_and_taken_out_of_text(
    texts: list[str], start: int
) -> None:
    terms = [terms_of(text) for text in texts]
    # A batch may be a part of a longer one, whose lists begin elsewhere.
    batch = _batch(texts, terms).slice(start)
    found = without_unknown(batch, pa.array(UNKNOWN)).to_pydict()
    expected = [[term for term in of_text if term in UNKNOWN] for of_text in terms[start:]]
    assert found["terms"] == expected
    assert found["text"] == list(map(without_terms, texts[start:], expected))


def test_rows_without_terms_and_other_columns_stay() -> None:
    batch = _batch(["qzx cat", "qzx", None], [["qzx", "cat"], None, None], source=["a", "b", "c"])
    found = without_unknown(batch, pa.array(UNKNOWN))
    assert found.schema.names == ["source", "text", "terms"]
    assert found.to_pydict() == {
        "source": ["a", "b", "c"], "text": ["cat", "qzx", None], "terms": [["qzx"], [], []],
    }  # fmt: skip


@pytest.mark.parametrize("unknown", [None, pa.array([], pa.string())])
def test_no_list_of_unknown_terms_says_that_each_term_is_unknown(
    unknown: pa.StringArray | None,
) -> None:
    found = without_unknown(_batch(["cat, dog"], [["cat"]]), unknown).to_pydict()
    assert found["text"] == (["dog"] if unknown is None else ["cat, dog"])
