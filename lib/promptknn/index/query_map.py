"""How image embeddings and prompt embeddings are brought into one space.

Every map has two sides: `queries` takes image embeddings, `keys` takes CLIP text embeddings of
prompts; nearest neighbours are those with the largest inner product of the two.

- identity: for CLIP models, whose towers share a space.
- centred: the same, each side less its mean: CLIP's images and texts lie in two cones apart.
- ridge: for `package-default`. The class profile of a picture goes through a ridge regression from
  profile to embedding, which is fitted on the pool: each prompt's own profile follows from its
  similarities to the class descriptions, so that no picture is needed to learn.
- conse: for pools too small to fit, the class descriptions averaged by the picture's class
  probabilities (Norouzi et al. 2014, "Zero-Shot Learning by Convex Combination of Semantic
  Embeddings").
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from promptknn.encoders.encoder import Vectors, unit
from promptknn.errors import ModelMismatchError
from promptknn.index.ridge import RidgeSums
from promptknn.sequential_files import write_arrays

Kind = Literal["identity", "centred", "ridge", "conse"]

FILE = "query_map.npz"
# The temperature that makes a prompt's profile about as peaked as a picture's.
_TEMPERATURE = 0.05
# Ridge penalty for a prompt, measured on a pool of 4,252 prompts.
_PENALTY_PER_ROW = 5 / 4252
FEWEST_ROWS_FOR_RIDGE = 300


@dataclass(frozen=True)
class QueryMap:
    """A fitted map.

    Attributes:
        kind: which of the four.
        image_mean: float32, (d_image,), subtracted from image embeddings.
        weights: float32, (d_image, d_text), or (0, 0) for the identity.
        pool_mean: float32, (d_text,), subtracted from prompt embeddings.
    """

    kind: Kind
    image_mean: Vectors
    weights: Vectors
    pool_mean: Vectors

    def queries(self, images: Vectors) -> Vectors:
        """Take image embeddings, float32 (n, d_image), to unit queries, float32 (n, d_text).

        Raises:
            ModelMismatchError: the dimension is not the one the map was fitted for.
        """
        if images.shape[1] != len(self.image_mean):
            raise ModelMismatchError(
                f"Image embeddings have dimension {images.shape[1]}, the index was built for "
                f"{len(self.image_mean)}: embed the images with the index's CLIP model."
            )
        if self.kind in ("identity", "centred"):
            return unit(images - self.image_mean)
        profiles: Vectors = images - self.image_mean
        if self.kind == "conse":
            profiles = images * images
        mapped: Vectors = profiles @ self.weights
        return unit(mapped)

    def keys(self, texts: Vectors) -> Vectors:
        """Take CLIP text embeddings, float32 (n, d_text), to unit keys, float32 (n, d_text)."""
        return unit(texts - self.pool_mean)

    def save(self, folder: Path) -> None:
        """Write the map into a folder."""
        write_arrays(folder / FILE, {**vars(self), "kind": np.array(self.kind)})

    @classmethod
    def load(cls, folder: Path) -> "QueryMap":
        """Read a map that `save` wrote."""
        with np.load(folder / FILE, allow_pickle=False) as parts:
            kind: Kind = str(parts["kind"])  # type: ignore[assignment]
            return cls(kind, parts["image_mean"], parts["weights"], parts["pool_mean"])


def identity_map(dim: int) -> QueryMap:
    """Make the map for towers that share a space of this dimension."""
    zeros = np.zeros(dim, dtype=np.float32)
    return QueryMap("identity", zeros, np.zeros((0, 0), dtype=np.float32), zeros)


def centred_map(image_mean: Vectors, pool_mean: Vectors) -> QueryMap:
    """Make the map for towers that share a space, each side centred.

    Args:
        image_mean: float32, (d,), mean of image embeddings.
        pool_mean: float32, (d,), mean of the pool's embeddings.
    """
    return QueryMap("centred", image_mean, np.zeros((0, 0), dtype=np.float32), pool_mean)


def conse_map(class_vectors: Vectors, pool_mean: Vectors) -> QueryMap:
    """Make the map that averages class descriptions.

    Args:
        class_vectors: float32, (classes, d_text), centred unit rows.
        pool_mean: float32, (d_text,).
    """
    zeros = np.zeros(len(class_vectors), dtype=np.float32)
    return QueryMap("conse", zeros, class_vectors, pool_mean)


def centred_class_vectors(class_vectors: Vectors) -> Vectors:
    """Subtract the classes' mean from their embeddings, and scale them to unit length."""
    return unit(class_vectors - class_vectors.mean(axis=0))


def profile_sums(texts: Vectors, pool_mean: Vectors, class_vectors: Vectors) -> RidgeSums:
    """Sum over prompts for the ridge map: x their class profiles, y their centred embeddings.

    Args:
        texts: float32, (n, d_text), CLIP text embeddings of prompts.
        pool_mean: float32, (d_text,), mean of the pool's embeddings.
        class_vectors: float32, (classes, d_text), centred unit rows.
    """
    centred: Vectors = texts - pool_mean
    return RidgeSums.of(text_profiles(unit(centred), class_vectors), centred)


def ridge_map(sums: RidgeSums, pool_mean: Vectors) -> QueryMap:
    """Fit the ridge map from the whole pool's sums; pool_mean is float32, (d_text,)."""
    ridge = sums.solve(_PENALTY_PER_ROW * sums.rows)
    return QueryMap("ridge", ridge.x_mean, ridge.weights, pool_mean)


def text_profiles(texts: Vectors, class_vectors: Vectors) -> Vectors:
    """Give the class profile a prompt would have as a picture.

    Args:
        texts: float32, (n, d), centred unit rows.
        class_vectors: float32, (classes, d), centred unit rows.

    Returns:
        float32, (n, classes): roots of a softmax over similarities to the classes.
    """
    scaled = texts @ class_vectors.T / _TEMPERATURE
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    profiles: Vectors = np.sqrt(powers / powers.sum(axis=1, keepdims=True))
    return profiles
