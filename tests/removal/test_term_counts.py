from datetime import UTC, datetime

from promptknn.lake import Lake
from promptknn.lake_reader import LakeReader
from promptknn.removal.term_counts import forget_terms
from promptknn.tables import PROMPT_TERMS, PROMPTS, REJECTED_PROMPTS
from tests.rows import add_rows

BEFORE, EARLY, THROUGH, LATE = (datetime(2026, month, 1, tzinfo=UTC) for month in range(1, 5))


def terms(model: str, through: datetime, **counts: int) -> list[dict[str, object]]:
    row = {"sentence_model": model, "counted_through": through}
    return [{**row, "term": term, "count": count} for term, count in counts.items()]


def test_terms_that_no_prompt_holds_go_and_counts_fall_but_never_rise(lake: Lake) -> None:
    texts = {"a cat": EARLY, "a new dog": LATE}
    prompts = [
        {"prompt_id": f"{number:032x}", "original_text": text, "cleaned_at": at}
        for number, (text, at) in enumerate(texts.items())
    ]
    add_rows(lake, PROMPTS, prompts)
    refused = {"source_row_id": "1", "text": "xqzw cat", "reason": "no_known_terms"}
    short = {"source_row_id": "2", "text": "roe", "reason": "too_short"}
    add_rows(lake, REJECTED_PROMPTS, [{**row, "rejected_at": EARLY} for row in (refused, short)])
    rows = [
        *terms("model", THROUGH, a=5, roe=1, dog=2, xqzw=1, new=0),
        # How far a model has counted is what the latest of its terms says.
        *terms("model", BEFORE, cat=1),
        *terms("other", BEFORE, cat=3, roe=1),
    ]
    add_rows(lake, PROMPT_TERMS, rows)
    assert forget_terms(lake) == 2
    left = LakeReader(lake.location).read(PROMPT_TERMS, ["sentence_model", "term", "count"])
    assert {(row["sentence_model"], row["term"]): row["count"] for row in left.to_pylist()} == {
        ("model", "a"): 1, ("model", "cat"): 1, ("model", "xqzw"): 1,
        # Of a prompt that is not counted yet.
        ("model", "dog"): 0, ("model", "new"): 0, ("other", "cat"): 0,
    }  # fmt: skip


def test_without_terms_no_prompt_is_looked_at(lake: Lake) -> None:
    assert forget_terms(lake) == 0
    lake.create([PROMPT_TERMS])
    assert forget_terms(lake) == 0
