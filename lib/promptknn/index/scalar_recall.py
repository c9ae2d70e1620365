"""Whether 8-bit scalars tell a pool's neighbours apart, by a sample of it."""

import faiss
import numpy as np

from promptknn.encoders.encoder import Vectors

# Fewer neighbours a query would say little of so small a difference.
_FEWEST = 20


def scalar_recall(sample: Vectors, queries: Vectors, rows: int, k: int) -> float:
    """Measure the recall that whole vectors rounded to 8-bit scalars allow at best.

    Neighbours that lie closer together than the scalars' steps change places. Among a share of the
    pool the same share of k neighbours reaches down to the same similarity, and loses as much.

    Args:
        sample: keys of the pool, float32, (n, d), unit rows.
        queries: float32, (m, d), unit rows.
        rows: how many the pool has.
        k: neighbours that a query will ask for.

    Returns:
        Recall, 0 to 1.
    """
    few = min(len(sample), max(_FEWEST, k * len(sample) // rows))
    scalars = faiss.IndexScalarQuantizer(
        sample.shape[1], faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    scalars.train(sample)
    scalars.add(sample)
    _, true = faiss.knn(queries, sample, few, faiss.METRIC_INNER_PRODUCT)
    _, found = scalars.search(queries, few)
    pairs = zip(found, true, strict=True)
    return float(np.mean([np.isin(here, those).mean() for here, those in pairs]))
