"""Taking unknown terms out of batches of prompts, in Arrow: most prompts hold none."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from promptknn.cleaning.vocabulary import without_terms


def without_unknown(batch: pa.RecordBatch, unknown: pa.StringArray | None) -> pa.RecordBatch:
    """Leave in `terms` the unknown ones alone, and take these out of `text`.

    Args:
        batch: has terms, list<string>, null where a rule has refused the row, and text.
        unknown: terms; None where `terms` holds no others.
    """
    terms, texts = batch.column("terms"), batch.column("text")
    if unknown is not None:
        terms = _those_in(terms, unknown)
    concerned = pc.greater(pc.fill_null(pc.list_value_length(terms), 0), 0)
    holed = texts.filter(concerned).to_pylist(), terms.filter(concerned).to_pylist()
    mended = pa.array(map(without_terms, *holed), pa.string())
    columns = {name: batch.column(name) for name in batch.schema.names}
    columns |= {"terms": terms, "text": pc.replace_with_mask(texts, concerned, mended)}
    return pa.RecordBatch.from_pydict(columns)


def _those_in(lists: pa.ListArray, values: pa.StringArray) -> pa.ListArray:
    """Leave in each list the members that are among the values; a null becomes an empty list."""
    members = lists.flatten()
    kept = pc.is_in(members, values)
    of_lists = np.asarray(pc.list_parent_indices(lists).filter(kept))
    offsets = np.zeros(len(lists) + 1, dtype=np.int32)
    np.cumsum(np.bincount(of_lists, minlength=len(lists)), out=offsets[1:])
    return pa.ListArray.from_arrays(offsets, members.filter(kept))
