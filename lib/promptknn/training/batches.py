"""Batches of image-text pairs, read from memory-mapped Arrow files in a seeded order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from PIL.Image import Image
from torch.utils.data import DataLoader, Dataset

from promptknn.arrow_vectors import from_arrow
from promptknn.encoders.open_clip import Tokenizer, Transform
from promptknn.evaluation.splits import Split
from promptknn.images.decoding import RefusedImageError, decode
from promptknn.images.reading import read_image
from promptknn.training.processes import Processes

Rows = npt.NDArray[np.int64]
TARGET = "sentence_embedding"


@dataclass(frozen=True)
class Batch:
    """Pairs, ready for the towers.

    Attributes:
        pixels: float32, (n, 3, height, width).
        tokens: int64, (n, context length).
        targets: float32, (n, d'), unit sentence embeddings; (n, 0) where none are needed.
        refused: why rows were left out, by row.
    """

    pixels: torch.Tensor
    tokens: torch.Tensor
    targets: torch.Tensor
    refused: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.tokens)

    def parts(self, size: int) -> list["Batch"]:
        """Cut it into batches of at most `size` pairs; none from an empty one."""
        cuts = [slice(start, start + size) for start in range(0, len(self), size)]
        return [Batch(self.pixels[cut], self.tokens[cut], self.targets[cut]) for cut in cuts]


class Pairs(Dataset[Batch]):
    """The pairs of one split: `pairs[rows]` is the batch of these rows."""

    def __init__(
        self,
        folder: Path,
        split: Split,
        transform: Transform,
        tokenizer: Tokenizer,
        maximum_megapixels: float,
    ) -> None:
        """Map the files that write_pairs.py wrote.

        Args:
            folder: holds Arrow files of image_uri, text, split and, where the objective needs it,
                sentence_embedding.
            split: whose pairs these are.
            transform: from an RGB image to pixels.
            tokenizer: from texts to tokens.
            maximum_megapixels: larger images are refused.
        """
        files = sorted(folder.glob("*.arrow"))
        self._table = pa.concat_tables([_mapped(file) for file in files])
        self.rows: Rows = np.flatnonzero(
            pa.compute.equal(self._table.column("split"), split).to_numpy()
        )
        self._transform, self._tokenizer = transform, tokenizer
        self._megapixels = maximum_megapixels

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def sentence_dim(self) -> int:
        """Dimension of the sentence embeddings; 0 where there are none."""
        first = self._table.slice(0, 1)
        return from_arrow(first.column(TARGET)).shape[1] if TARGET in first.column_names else 0

    def __getitem__(self, rows: Sequence[int]) -> Batch:
        """Read rows of the files; images that cannot be used are left out and named."""
        numbers = self.rows[np.asarray(rows, dtype=np.int64)]
        found = self._table.take(pa.array(numbers))
        pixels, good, refused = [], [], {}
        for place, uri in enumerate(found.column("image_uri").to_pylist()):
            try:
                pixels.append(self._transform(_read(uri, self._megapixels)))
                good.append(place)
            except RefusedImageError as error:
                refused[int(numbers[place])] = error.reason
        if not good:
            none = torch.zeros(0)
            return Batch(none, none, torch.zeros(0, self.sentence_dim), refused)
        found = found.take(pa.array(good))
        targets = np.zeros((len(good), 0), dtype=np.float32)
        if self.sentence_dim:
            targets = from_arrow(found.column(TARGET))
        tokens = self._tokenizer(found.column("text").to_pylist())
        return Batch(torch.stack(pixels), tokens, torch.tensor(targets), refused)


def batches(rows: int, batch_size: int, seed: int | None, epoch: int = 0) -> list[Rows]:
    """Cut the rows of an epoch into batches, as even as they can be; every row is in one.

    Args:
        rows: how many there are.
        batch_size: the largest batch.
        seed: decides, with the epoch, the order; None keeps the rows' own order.
        epoch: number of the epoch.
    """
    order = np.arange(rows)
    if seed is not None:
        order = np.random.default_rng([seed, epoch]).permutation(rows)
    return list(np.array_split(order, -(-rows // batch_size))) if rows else []


def load(
    pairs: Pairs, order: Sequence[Rows], processes: Processes, workers: int
) -> Iterator[Batch]:
    """Read this process's share of each batch, ahead of its use where there are workers."""
    shares = [processes.share(rows.tolist()) for rows in order]
    # With batch_size None, one index of the sampler is one item: here, a whole batch.
    loader: DataLoader[Batch] = DataLoader(
        pairs,
        batch_size=None,
        sampler=shares,
        num_workers=workers,
    )
    yield from loader


def _mapped(file: Path) -> pa.Table:
    with pa.memory_map(str(file)) as mapped:
        return pa.ipc.open_file(mapped).read_all()


def _read(uri: str, maximum_megapixels: float) -> Image:
    return decode(read_image(uri, None, maximum_megapixels), maximum_megapixels)
