import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from promptknn.cleaning.term_removal import with_terms, without_unknown
from promptknn.cleaning.terms import terms_of, without_terms

WORDS = st.sampled_from(["cat", "dog", "qzx", "don't", "8k", "artgerm", ",", "(artgerm)"])
TEXTS = st.lists(WORDS, max_size=6).map(" ".join)
UNKNOWN = frozenset({"artgerm", "don't", "qzx"})
VERDICT = pa.struct([("reason", pa.string()), ("detail", pa.string())])
REFUSED = {"reason": "too_short", "detail": "3 characters"}


def _batch(texts: list[str | None], verdicts: list[dict[str, str] | None]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({
        "text": pa.array(texts, pa.string()),
        "verdict": pa.array(verdicts, VERDICT),
        "source": pa.array(["x"] * len(texts)),
    })  # fmt: skip


@given(texts=st.lists(TEXTS, max_size=8), start=st.integers(0, 3))
def test_unknown_terms_are_named_and_taken_out_of_text(texts: list[str], start: int) -> None:
    # A batch may be a part of a longer one.
    batch = _batch(list(texts), [None] * len(texts)).slice(start)
    found = without_unknown(with_terms(batch, UNKNOWN)).to_pydict()
    expected = [[term for term in terms_of(text) if term in UNKNOWN] for text in texts[start:]]
    assert found["terms"] == expected
    assert found["text"] == list(map(without_terms, texts[start:], expected))


def test_refused_rows_and_other_columns_stay() -> None:
    batch = _batch(["qzx cat", "qzx", None], [None, REFUSED, REFUSED])
    found = without_unknown(with_terms(batch, UNKNOWN))
    assert found.schema.names == ["text", "verdict", "source", "terms"]
    assert found.drop_columns("source").to_pydict() == {
        "text": ["cat", "qzx", None],
        "verdict": [None, REFUSED, REFUSED],
        "terms": [["qzx"], [], []],
    }


def test_all_terms_are_looked_for_unless_told_which() -> None:
    batch = _batch(["cat, dog"], [None])
    assert with_terms(batch).column("terms").to_pylist() == [["cat", "dog"]]
    assert with_terms(batch, frozenset()).column("terms").to_pylist() == [[]]


def test_no_terms_at_all_leave_the_text() -> None:
    joined = _batch(["cat, dog", "qzx"], [None, None]).append_column(
        "terms", pa.array([None, []], pa.list_(pa.string()))
    )
    assert without_unknown(joined).column("text").to_pylist() == ["cat, dog", "qzx"]
