"""Scalars of 12 bits, by which FastScan's candidates are scored again where 8 bits are too coarse.

FAISS has none between 8 and 16 bits. Two scalars of 6 bits stand for a number: one of the number,
one of what that leaves of it. They lie side by side as a vector of twice the dimension, whose inner
product with a query that stands there twice is the sum of both.
"""

import faiss
import numpy as np

from promptknn.encoders.encoder import Vectors

# Enough to learn the smallest and the largest number of each dimension from.
_ROWS = 50_000


def fine_scalars(base: faiss.Index, sample: Vectors) -> faiss.IndexRefine:
    """Put scalars of 12 bits behind a trained index.

    Args:
        base: trained and empty, of d dimensions.
        sample: float32, (n, d), unit rows, to learn the range of the scalars from.

    Returns:
        An empty index, to be filled by `add_keys`.
    """
    dim, six_bits = sample.shape[1], faiss.ScalarQuantizer.QT_6bit
    sample = sample[:_ROWS]
    one = faiss.IndexScalarQuantizer(dim, six_bits, faiss.METRIC_INNER_PRODUCT)
    one.train(sample)
    left = sample - one.sa_decode(one.sa_encode(sample))
    both = faiss.IndexScalarQuantizer(2 * dim, six_bits, faiss.METRIC_INNER_PRODUCT)
    both.train(np.hstack([sample, left]))
    twice = np.tile(np.arange(dim, dtype=np.int32), 2)
    query = faiss.RemapDimensionsTransform(dim, 2 * dim, faiss.swig_ptr(twice))
    refined = faiss.IndexRefine(base, faiss.IndexPreTransform(query, both))
    # What is read back owns its parts, which Python would else free.
    whole = faiss.deserialize_index(faiss.serialize_index(refined))
    assert isinstance(whole, faiss.IndexRefine)
    return whole


def add_keys(index: faiss.Index, keys: Vectors) -> None:
    """Add keys to an index of any kind: float32, (n, d), unit rows."""
    if isinstance(index, faiss.IndexRefine):
        outer = faiss.downcast_index(index.refine_index)
        if isinstance(outer, faiss.IndexPreTransform):
            _add_fine(index, outer, keys)
            return
    index.add(keys)


def _add_fine(index: faiss.IndexRefine, outer: faiss.IndexPreTransform, keys: Vectors) -> None:
    both = faiss.downcast_index(outer.index)
    alone = both.sa_decode(both.sa_encode(np.hstack([keys, np.zeros_like(keys)])))
    faiss.downcast_index(index.base_index).add(keys)
    both.add(np.hstack([keys, keys - alone[:, : keys.shape[1]]]))
    outer.ntotal = index.ntotal = both.ntotal
