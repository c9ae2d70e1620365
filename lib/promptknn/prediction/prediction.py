"""The prediction for one picture, as Python and as JSON."""

import json
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa

from promptknn.arrow_vectors import from_arrow
from promptknn.encoders.encoder import Vectors
from promptknn.evaluation.calibration import Calibration


@dataclass(frozen=True)
class Neighbour:
    """A prompt of the index that lies near the picture; rank 1 is the nearest."""

    rank: int
    prompt_id: str
    prompt: str
    similarity: float


@dataclass(frozen=True, eq=False)
class Prediction:
    """What is predicted for a picture; the columns of the table predictions have these names.

    Attributes:
        image: the path that was given, or its place in the list.
        predicted_prompt: the nearest prompt.
        neighbours: the nearest prompts, best first.
        embedding: float32, (d,), E_pred.
        mean_similarity: of the neighbours in E_pred1.
        agreement: length of E_pred1, 1 where its neighbours say the same.
        confidence: expected cosine to the true prompt; None where nobody has calibrated it.
        k: neighbours averaged in E_pred1.
    """

    image: str
    predicted_prompt: str
    neighbours: tuple[Neighbour, ...]
    embedding: Vectors
    mean_similarity: float
    agreement: float
    confidence: float | None
    k: int

    def to_json(self) -> str:
        """Write it as one line of JSON."""
        values = {name: value for name, value in vars(self).items() if name != "neighbours"}
        values["neighbours"] = [asdict(neighbour) for neighbour in self.neighbours]
        values["embedding"] = self.embedding.tolist()
        return json.dumps(values, ensure_ascii=False)


def predictions_of(rows: pa.RecordBatch, calibration: Calibration | None) -> list[Prediction]:
    """Give the rows that `predict_images` made as objects.

    Args:
        rows: whose image_uri names the pictures.
        calibration: fills in confidence.
    """
    embeddings = from_arrow(rows.column("embedding"))
    names = ["image_uri", "predicted_prompt", "neighbours", "mean_similarity", "agreement", "k"]
    return [
        Prediction(
            row["image_uri"],
            row["predicted_prompt"],
            tuple(Neighbour(**neighbour) for neighbour in row["neighbours"]),
            embedding,
            row["mean_similarity"],
            row["agreement"],
            _confidence(calibration, row["mean_similarity"], row["agreement"]),
            row["k"],
        )
        for row, embedding in zip(rows.select(names).to_pylist(), embeddings, strict=True)
    ]


def _confidence(
    calibration: Calibration | None, mean_similarity: float, agreement: float
) -> float | None:
    if calibration is None:
        return None
    return float(calibration.expected(np.array([[mean_similarity, agreement]]))[0])
