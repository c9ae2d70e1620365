"""The stage that embeds images with CLIP's image tower."""

import hashlib
import operator
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from promptknn.arrow_vectors import to_arrow
from promptknn.encoders.device import task_cores
from promptknn.encoders.encoder import ClipEncoder, Pixels, Vectors
from promptknn.encoders.models import Models
from promptknn.errors import InvalidVectorError, MissingInputError
from promptknn.images.decoding import RefusedImageError, decode
from promptknn.images.listing import UNKNOWN_SIZE, list_images
from promptknn.images.reading import read_image, roots_of
from promptknn.materialised import materialised
from promptknn.settings import ImageSettings, Settings
from promptknn.sources.reading import table_or_path
from promptknn.sources.source import column
from promptknn.stage import Context, Counts, Stage
from promptknn.tables import IMAGE_EMBEDDINGS, REJECTED_IMAGES

_FILE = ["image_uri", "image_bytes", "modified_at"]
_SCHEMA = (
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
            *(files.column(name) for name in _FILE),
            pa.array([read.image_id for read in reads], pa.string()),
            pa.array([width for width, _ in sizes], pa.int32()),
            pa.array([height for _, height in sizes], pa.int32()),
            lists,
            pa.array(np.full(len(reads), dim), pa.int32(), mask=~good),
            pa.array([read.reason for read in reads], pa.string()),
            pa.array([read.detail for read in reads], pa.string()),
        ],
        [*_FILE, "image_id", "width", "height", "embedding", "dim", "reason", "detail"],
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


class EmbedImages(Stage):
    """images -> image_embeddings + rejected_images; unchanged files are not read again."""

    name = "embed_images"
    outputs = (IMAGE_EMBEDDINGS, REJECTED_IMAGES)

    def check(self, settings: Settings) -> None:
        Models.check(settings)

    def run(self, context: Context) -> Counts:
        parts = [self._embed(context, models) for models in Models.every(context.settings)]
        return reduce(operator.add, parts)

    def _embed(self, context: Context, models: Models) -> Counts:
        lake, settings = context.lake, context.settings
        of_model = F.col("clip_model") == models.clip_identity
        files, left_out = find_images(context, settings.images)
        roots = roots_of(settings.images.paths)
        missing = files
        for table in self.outputs:
            known = lake.read_pinned(table).where(of_model).select(*_FILE)
            missing = missing.join(known, _FILE, "left_anti")
        todo = missing.count()
        aside = f", {left_out:,} files without an image's extension left out" if left_out else ""
        if todo == 0:
            return Counts(message=f"nothing new, every image is embedded{aside}")
        waves = -(-todo // settings.embedding.images_per_wave)
        embedded = rejected = 0
        for wave in range(waves):
            context.progress(embedded + rejected, todo)
            rows = missing.where(F.pmod(F.xxhash64("image_uri"), F.lit(waves)) == wave)
            tasks = -(-todo // (waves * settings.embedding.images_per_task))
            results = rows.repartition(tasks).mapInArrow(
                embed_files(models, roots, settings.images.maximum_megapixels), _SCHEMA
            )
            with materialised(results) as read:
                embedded += lake.insert(IMAGE_EMBEDDINGS, _embedded(read, models))
                kept = lake.read(IMAGE_EMBEDDINGS).where(of_model)
                rejected += lake.insert(REJECTED_IMAGES, _rejected(read, kept, models))
        message = f"{embedded:,} images embedded, {rejected:,} rejected{aside}"
        return Counts(rows_in=todo, rows_out=embedded, rows_rejected=rejected, message=message)


def find_images(context: Context, settings: ImageSettings) -> tuple[DataFrame, int]:
    """Find the images of the settings.

    Returns:
        A DataFrame of image_uri, image_bytes and modified_at, and how many files were left out
        for their extension.

    Raises:
        MissingInputError: no images are named, or a path or column is not there.
    """
    if settings.table and not settings.paths:
        raise MissingInputError(
            f"The table {settings.table} names images, and nothing says where they may lie: set "
            f"`images.paths` to the folders that hold them."
        )
    if settings.table:
        return _images_of_table(context, settings.table, settings.uri_column), 0
    if not settings.paths:
        raise MissingInputError(
            "No images are named: set `images.paths` to folders, globs or files, and "
            "`images.table` too where a table of URIs chooses among them."
        )
    listing = list_images(settings.paths, settings.extensions)
    return context.spark.createDataFrame(listing.to_arrow()), listing.left_out


def _images_of_table(context: Context, table: str, uri_column: str) -> DataFrame:
    frame = table_or_path(context.spark, table, "images.table")
    uri = column(frame, uri_column, f"The table {table}", "images.uri_column")
    # A table tells neither size nor time of a file: its images are known by their URI alone.
    return (
        frame.select(F.col(uri).cast("string").alias("image_uri"))
        .where("image_uri IS NOT NULL")
        .distinct()
        .select(
            "image_uri",
            F.lit(UNKNOWN_SIZE).cast("bigint").alias("image_bytes"),
            F.lit(0).cast("timestamp").alias("modified_at"),
        )
    )


def _embedded(read: DataFrame, models: Models) -> DataFrame:
    same_image = Window.partitionBy("image_id").orderBy("image_uri")
    return (
        read.where("reason IS NULL")
        .withColumn("copy", F.row_number().over(same_image))
        .where("copy = 1")
        .withColumn("clip_model", F.lit(models.clip_identity))
        .withColumn("embedded_at", F.current_timestamp())
    )


def _rejected(read: DataFrame, kept: DataFrame, models: Models) -> DataFrame:
    # A file with the bytes of another is not embedded twice, and not lost either.
    duplicate: Column = F.coalesce("reason", F.lit("duplicate_image"))
    return read.join(kept.select(*_FILE), _FILE, "left_anti").select(
        *_FILE,
        duplicate.alias("reason"),
        F.coalesce("detail", "image_id", F.lit("")).alias("detail"),
        F.lit(models.clip_identity).alias("clip_model"),
        F.current_timestamp().alias("rejected_at"),
    )
