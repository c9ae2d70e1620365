"""Random pools of vectors, and all their cosines."""

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from promptknn.encoders.encoder import Vectors, unit

Matrix = npt.NDArray[np.float64]


def clustered(rows: int, dim: int, clusters: int, noise: float, seed: int) -> Vectors:
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(clusters, dim))[draw.integers(clusters, size=rows)]
    vectors: npt.NDArray[np.float32] = (centres + noise * draw.normal(size=(rows, dim))).astype(
        "f4"
    )
    return unit(vectors)


def cosines(vectors: Vectors) -> Matrix:
    doubles = vectors.astype(np.float64)
    found: Matrix = doubles @ doubles.T
    return found


pools = st.builds(
    clustered,
    rows=st.integers(1, 80),
    dim=st.integers(2, 6),
    clusters=st.integers(1, 12),
    noise=st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
thresholds = st.floats(0.5, 0.99)
