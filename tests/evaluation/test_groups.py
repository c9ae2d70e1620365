import numpy as np
import pyarrow as pa

from promptknn.arrow_vectors import to_arrow
from promptknn.evaluation.groups import groups_of_images


def _truths(names: list[str], vectors: list[list[float]]) -> pa.Table:
    rows = np.array(vectors, dtype=np.float32)
    return pa.table({"image_name": names, "vector": to_arrow(rows)})


def test_images_with_near_duplicate_truths_share_a_group() -> None:
    truths = _truths(["a", "a", "b", "c"], [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]])
    groups = groups_of_images(["a", "b", "c"], truths, 0.9)
    assert groups[0] == groups[1]
    assert groups[2] != groups[0]


def test_a_chain_of_near_duplicates_is_one_group() -> None:
    angles = np.radians([0, 20, 40])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).tolist()
    groups = groups_of_images(["a", "b", "c"], _truths(["a", "b", "c"], vectors), 0.9)
    assert len(set(groups)) == 1


def test_truths_of_images_that_were_not_scored_are_left_out() -> None:
    truths = _truths(["a", "unknown", "b"], [[1, 0], [1, 0], [0, 1]])
    assert len(set(groups_of_images(["a", "b"], truths, 0.9))) == 2
