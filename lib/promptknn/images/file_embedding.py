"""What a task does with the files it is given: it reads, decodes and embeds them."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from promptknn.arrow_vectors import to_arrow
from promptknn.encoders.device import task_cores
from promptknn.encoders.encoder import ClipEncoder, Pixels, Vectors
from promptknn.encoders.models import Models
from promptknn.errors import InvalidVectorError
from promptknn.images.decoding import RefusedImageError, decode
from promptknn.images.reading import read_image

FILE = ["image_uri", "image_bytes", "modified_at"]
EMBEDDED = (
    "image_uri string, image_bytes bigint, modified_at timestamp, image_id string, width int, "
    "height int, embedding array<float>, dim int, reason string, detail string"
)
# Beside the encoder, which keeps the cores of a task busy where it runs on them.
_FEWEST_THREADS = 2


@dataclass(frozen=True)
class _Read:
    """A file as the image tower reads it: small, whatever the size of its picture."""

    image_id: str | None = None
    size: tuple[int, int] | None = None
    pixels: Pixels | None = None
    reason: str | None = None
    detail: str | None = None


def _read(encoder: ClipEncoder, roots: Sequence[str], maximum_megapixels: float, uri: str) -> _Read:
    try:
        content = read_image(uri, roots, maximum_megapixels)
        image = decode(content, maximum_megapixels)
    except RefusedImageError as refused:
        return _Read(reason=refused.reason, detail=refused.detail)
    name = hashlib.sha256(content).hexdigest()
    return _Read(name, image.size, encoder.prepare(image))


def embed_files(
    models: Models, roots: Sequence[str], maximum_megapixels: float
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that reads, decodes and embeds files inside Spark's workers.

    It takes image_uri, image_bytes and modified_at, and gives a row a file: a vector, or a reason.
    """

    def embed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with ThreadPoolExecutor(max(_FEWEST_THREADS, task_cores())) as pool:
            for batch in batches:
                encoder, uris = models.clip_encoder(), batch.column("image_uri").to_pylist()
                read = partial(_read, encoder, roots, maximum_megapixels)
                at_once = encoder.images_at_once
                reads = _ahead(pool, read, uris, at_once)
                for start in range(0, len(uris), at_once):
                    some = [next(reads) for _ in uris[start : start + at_once]]
                    yield _rows(batch.slice(start, len(some)), some, encoder)

    return embed


def _ahead(
    pool: ThreadPoolExecutor, read: Callable[[str], _Read], uris: list[str], most: int
) -> Iterator[_Read]:
    """Read as many files as the encoder takes at once while it encodes the ones before."""
    waiting: deque[Future[_Read]] = deque()
    for uri in uris:
        waiting.append(pool.submit(read, uri))
        if len(waiting) > most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _rows(files: pa.RecordBatch, reads: list[_Read], encoder: ClipEncoder) -> pa.RecordBatch:
    vectors, reads = _encoded(reads, encoder)
    good = np.array([read.pixels is not None for read in reads])
    sizes = [read.size or (None, None) for read in reads]
    lists = pa.nulls(len(reads), pa.list_(pa.float32()))
    dim = 0
    if vectors is not None:
        dim = vectors.shape[1]
        place = np.where(good, np.cumsum(good) - 1, 0)
        lists = to_arrow(vectors).take(pa.array(place, mask=~good))
    return pa.RecordBatch.from_arrays(
        [
            *(files.column(name) for name in FILE),
            pa.array([read.image_id for read in reads], pa.string()),
            pa.array([width for width, _ in sizes], pa.int32()),
            pa.array([height for _, height in sizes], pa.int32()),
            lists,
            pa.array(np.full(len(reads), dim), pa.int32(), mask=~good),
            pa.array([read.reason for read in reads], pa.string()),
            pa.array([read.detail for read in reads], pa.string()),
        ],
        [*FILE, "image_id", "width", "height", "embedding", "dim", "reason", "detail"],
    )


def _encoded(reads: list[_Read], encoder: ClipEncoder) -> tuple[Vectors | None, list[_Read]]:
    """Encode the pictures among what was read; one whose vector cannot be used is refused.

    Raises:
        InvalidVectorError: no vector of several can be used, so that the model is at fault.
    """
    pixels = [read.pixels for read in reads if read.pixels is not None]
    if not pixels:
        return None, reads
    try:
        return encoder.encode_pixels(pixels), reads
    except InvalidVectorError as error:
        if len(pixels) == 1:
            refused = _Read(reason="invalid_vector", detail=str(error))
            return None, [read if read.pixels is None else refused for read in reads]
        found = [_encoded([read], encoder) for read in reads]
        vectors = [vector for vector, _ in found if vector is not None]
        if not vectors:
            raise
        return np.concatenate(vectors), [read for _, (read,) in found]
