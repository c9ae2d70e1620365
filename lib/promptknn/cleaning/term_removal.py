"""Taking unknown terms out of batches of prompts, in Arrow: most prompts hold none."""

import pyarrow as pa
import pyarrow.compute as pc

from promptknn.cleaning.terms import terms_among, terms_of, without_terms


def with_terms(batch: pa.RecordBatch, among: frozenset[str] | None = None) -> pa.RecordBatch:
    """Add the column `terms`, list<string>: the distinct terms of each text, in their order.

    Args:
        batch: has text and verdict; where a rule has refused the row, no term is looked for.
        among: the terms to look for; None looks for all.
    """
    refused = batch.column("verdict").is_valid()
    texts = pc.if_else(refused, pa.scalar(None, pa.string()), batch.column("text"))
    # One list for all texts: Python would look through ten thousand for garbage.
    terms: list[str] = []
    ends = [0]
    for text in texts.to_pylist():
        terms += terms_of(text or "") if among is None else terms_among(text or "", among)
        ends.append(len(terms))
    lists = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(terms, pa.string()))
    return batch.append_column("terms", lists)


def without_unknown(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Take `terms`, list<string> or null, out of `text`."""
    terms, texts = batch.column("terms"), batch.column("text")
    concerned = pc.greater(pc.fill_null(pc.list_value_length(terms), 0), 0)
    holed = texts.filter(concerned).to_pylist(), terms.filter(concerned).to_pylist()
    mended = pa.array(map(without_terms, *holed), pa.string())
    place = batch.schema.get_field_index("text")
    return batch.set_column(place, "text", pc.replace_with_mask(texts, concerned, mended))
