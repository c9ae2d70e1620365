"""Ridge regression from sums that add up over partitions: one pass over the rows, in any parts."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptknn.encoders.encoder import Vectors

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ridge:
    """A fitted map y = (x - x_mean) weights + y_mean.

    Attributes:
        x_mean: float32, (d_x,).
        weights: float32, (d_x, d_y).
        y_mean: float32, (d_y,).
    """

    x_mean: Vectors
    weights: Vectors
    y_mean: Vectors

    def __call__(self, x: Vectors) -> Vectors:
        """Map rows: float32, (n, d_x) to float32, (n, d_y)."""
        mapped: Vectors = np.matmul(x - self.x_mean, self.weights, dtype=np.float32) + self.y_mean
        return mapped


@dataclass
class RidgeSums:
    """Sums over rows (x, y), float64."""

    rows: int
    x: Doubles
    y: Doubles
    xx: Doubles
    xy: Doubles

    @classmethod
    def of(cls, x: Vectors, y: Vectors) -> "RidgeSums":
        """Sum over rows: x float32, (n, d_x); y float32, (n, d_y)."""
        wide, target = x.astype(np.float64), y.astype(np.float64)
        return cls(len(wide), wide.sum(axis=0), target.sum(axis=0), wide.T @ wide, wide.T @ target)

    def __add__(self, other: "RidgeSums") -> "RidgeSums":
        return RidgeSums(
            self.rows + other.rows,
            self.x + other.x,
            self.y + other.y,
            self.xx + other.xx,
            self.xy + other.xy,
        )

    def solve(self, penalty: float) -> Ridge:
        """Solve ((X - x_mean)'(X - x_mean) + penalty I) W = (X - x_mean)'(Y - y_mean)."""
        x_mean, y_mean = self.x / self.rows, self.y / self.rows
        gram = self.xx - self.rows * np.outer(x_mean, x_mean)
        gram[np.diag_indices_from(gram)] += penalty
        weights = np.linalg.solve(gram, self.xy - self.rows * np.outer(x_mean, y_mean))
        return Ridge(*(part.astype(np.float32) for part in (x_mean, weights, y_mean)))

    def to_bytes(self) -> list[bytes]:
        """Give the four arrays as bytes, to leave a Spark task in a binary column."""
        return [part.tobytes() for part in (self.x, self.y, self.xx, self.xy)]

    @classmethod
    def from_bytes(cls, rows: int, parts: list[bytes]) -> "RidgeSums":
        """Read what `to_bytes` gave."""
        x, y, xx, xy = (np.frombuffer(part, np.float64) for part in parts)
        return cls(rows, x, y, xx.reshape(len(x), len(x)), xy.reshape(len(x), len(y)))
