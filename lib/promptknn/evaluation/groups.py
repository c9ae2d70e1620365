"""Groups of images that a split must not tear apart: those with near-duplicate true prompts."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from promptknn.arrow_vectors import from_arrow
from promptknn.evaluation.cosine import Groups

_ROWS_AT_ONCE = 1024


def groups_of_images(names: Sequence[str], truths: pa.Table, similarity: float) -> Groups:
    """Number the groups.

    Args:
        names: image names, one an image.
        truths: image_name and vector (unit), one row a pair.
        similarity: cosine above which two truths are near duplicates.

    Returns:
        int64, (images,), the same number for images that a chain of near duplicates connects.
    """
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    owners = np.array([places.get(name, -1) for name in truths.column("image_name").to_pylist()])
    known = owners >= 0
    vectors, owners = from_arrow(truths.column("vector"))[known], owners[known]
    left, right = [], []
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        rows, columns = np.nonzero(vectors[start : start + _ROWS_AT_ONCE] @ vectors.T > similarity)
        left.append(owners[rows + start])
        right.append(owners[columns])
    pairs = np.concatenate(left), np.concatenate(right)
    graph = csr_matrix((np.ones(len(pairs[0])), pairs), shape=(len(places), len(places)))
    labels = connected_components(graph, directed=False)[1]
    return np.array([labels[places[name]] for name in names], dtype=np.int64)
