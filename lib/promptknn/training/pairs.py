"""Images and their prompts: from tables to the files that training reads."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.arrow_vectors import to_arrow
from promptknn.cleaning.normalisation import normalised
from promptknn.cleaning.policy import without_forbidden
from promptknn.deduplication.exact import prompt_id_of
from promptknn.encoders.models import Models
from promptknn.evaluation.splits import with_group
from promptknn.settings import Settings
from promptknn.sources.reading import table_or_path
from promptknn.sources.source import column
from promptknn.stage import Context
from promptknn.tables import NEAR_DUPLICATES, PROMPT_IMAGES, PROMPTS
from promptknn.training.batches import TARGET

_COLUMNS = ["prompt_id", "image_uri", "text", "split"]
_WRITTEN = "pairs bigint"


def image_text_pairs(context: Context, models: Models) -> DataFrame:
    """Find the pairs of the settings: prompt_id, image_uri, text and split, each pair once.

    Raises:
        MissingInputError: a table or column is not there.
    """
    settings = context.settings
    if settings.training.table:
        pairs = _of_table(context, settings.training.table)
    else:
        prompts = context.lake.read(PROMPTS).select("prompt_id", "text")
        prompts = without_forbidden(context.lake, prompts, settings.policy)
        pairs = (
            context.lake.read(PROMPT_IMAGES)
            # A flagged picture is black.
            .where("safety <> 'flagged'")
            .select("prompt_id", "image_uri")
            .join(prompts, "prompt_id")
        )
    grouped = with_group(pairs.distinct(), _near_duplicates(context, models))
    return grouped.withColumn("split", settings.splits.column(F.col("split_group"))).select(
        *_COLUMNS
    )


def _of_table(context: Context, table: str) -> DataFrame:
    settings = context.settings.training
    frame = table_or_path(context.spark, table, "training.table")
    place = f"The table {table}"
    image = column(frame, settings.image_column, place, "training.image_column")
    text = column(frame, settings.text_column, place, "training.text_column")
    return (
        frame.select(
            F.col(image).cast("string").alias("image_uri"),
            normalised(F.col(text).cast("string")).alias("text"),
        )
        .where("image_uri IS NOT NULL AND length(text) > 0")
        .withColumn("prompt_id", prompt_id_of(F.col("text")))
    )


def _near_duplicates(context: Context, models: Models) -> DataFrame | None:
    threshold = context.settings.deduplication.similarity
    if threshold is None or not context.lake.exists(NEAR_DUPLICATES):
        return None
    return context.lake.read(NEAR_DUPLICATES).where(
        (F.col("sentence_model") == models.sentence_identity) & (F.col("threshold") == threshold)
    )


def write_pairs(
    pairs: DataFrame, count: int, folder: Path, models: Models | None, settings: Settings
) -> None:
    """Write pairs to Arrow files, the same for the same pairs, whatever the cluster.

    Args:
        pairs: prompt_id, image_uri, text and split.
        count: how many there are.
        folder: seen by all workers; takes the files.
        models: encode the texts for the regression; None where the objective needs no targets.
        settings: how many pairs a task gets.
    """
    # A number given outright is one that adaptive execution leaves alone.
    files = -(-count // settings.embedding.prompts_per_task)
    written = (
        pairs.repartition(files, "prompt_id")
        .sortWithinPartitions("prompt_id", "image_uri")
        .mapInArrow(pair_writer(folder, models), _WRITTEN)
    )
    written.agg(F.sum("pairs")).collect()


def pair_writer(
    folder: Path, models: Models | None
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that writes a partition's pairs into one file inside Spark's workers."""

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context = TaskContext.get()
        number = context.partitionId() if context else 0
        rows = write_file(batches, folder / f"part-{number:05d}.arrow", models)
        yield pa.RecordBatch.from_pydict({"pairs": pa.array([rows], pa.int64())})

    return write


def write_file(batches: Iterator[pa.RecordBatch], place: Path, models: Models | None) -> int:
    """Write pairs into one Arrow file, which appears whole; none where there is no pair.

    Args:
        batches: image_uri, text, split; other columns are kept.
        place: the file.
        models: as for `write_pairs`.

    Returns:
        How many pairs.
    """
    rows, writer = 0, None
    partial = place.with_name(f".{place.name}-{uuid4().hex}")
    for batch in batches:
        if not batch.num_rows:
            continue
        if models is not None:
            texts = batch.column("text").to_pylist()
            vectors = to_arrow(models.sentence_encoder().encode_texts(texts))
            batch = pa.RecordBatch.from_arrays(
                [*batch.columns, vectors], [*batch.schema.names, TARGET]
            )
        if writer is None:
            partial.parent.mkdir(parents=True, exist_ok=True)
            writer = pa.ipc.new_file(str(partial), batch.schema)
        writer.write_batch(batch)
        rows += batch.num_rows
    if writer is not None:
        writer.close()
        partial.rename(place)
    return rows
