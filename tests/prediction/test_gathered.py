import numpy as np
import pyarrow as pa
import pytest

from promptknn.arrow_vectors import to_half_arrow
from promptknn.prediction.gathered import gathered


def prompt(name: str, distance: float) -> dict[str, object]:
    vector = [float(ord(letter)) for letter in name]
    sentence = to_half_arrow(np.array([vector], np.float32))[0].as_py()
    return {"distance": distance, "prompt_id": f"id-{name}", "text": name, "sentence": sentence}


def nearest(*images: list[dict[str, object]]) -> pa.ListArray:
    fields = [
        ("distance", pa.float32()),
        ("prompt_id", pa.string()),
        ("text", pa.string()),
        ("sentence", pa.binary()),
    ]
    return pa.array(images, pa.list_(pa.struct(fields)))


def test_neighbours_point_at_their_prompts() -> None:
    column = nearest(
        [prompt("ab", -0.9), prompt("cd", -0.5)], [prompt("ef", -0.7), prompt("ab", 0)]
    )
    stored, found = gathered(column)
    assert stored.texts(found.ordinals).tolist() == [["ab", "cd"], ["ef", "ab"]]
    assert found.prompt_ids.tolist() == [["id-ab", "id-cd"], ["id-ef", "id-ab"]]
    np.testing.assert_allclose(found.similarities, [[0.9, 0.5], [0.7, 0.0]], rtol=1e-6)
    assert stored.sentence(found.ordinals)[1, 0].tolist() == [ord("e"), ord("f")]
    assert stored.sentence_dim == 2


def test_the_last_places_of_a_poorer_row_are_empty_also_in_a_slice() -> None:
    column = nearest(
        [prompt("ab", 0)], [prompt("cd", -0.5), prompt("ef", -0.4)], [prompt("gh", -1)]
    )
    stored, found = gathered(column.slice(1))
    assert found.filled.tolist() == [[True, True], [True, False]]
    assert stored.texts(found.ordinals[found.filled]).tolist() == ["cd", "ef", "gh"]
    assert found.prompt_ids.tolist() == [["id-cd", "id-ef"], ["id-gh", ""]]
    assert found.similarities.tolist() == [[0.5, pytest.approx(0.4)], [1.0, -np.inf]]
    assert found.similarities.dtype == np.float32
    assert found.shards.tolist() == [[0, 0], [0, -1]]
