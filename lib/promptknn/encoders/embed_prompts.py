"""The stage that embeds prompts with CLIP's text tower and with the sentence model."""

import operator
from collections.abc import Callable, Iterator
from functools import reduce

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.arrow_vectors import to_arrow
from promptknn.encoders.models import Models
from promptknn.errors import InvalidVectorError
from promptknn.settings import Settings
from promptknn.stage import Context, Counts, Stage
from promptknn.tables import PROMPT_EMBEDDINGS, PROMPTS
from promptknn.waves import Missing, plan_waves

_MADE_HERE = ["prompt_id", "clip_embedding", "clip_dim", "sentence_embedding", "sentence_dim"]
EMBEDDED_SCHEMA = PROMPT_EMBEDDINGS.schema(*_MADE_HERE)


def embed_texts(models: Models) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that embeds batches of prompt_id and text inside Spark's workers."""

    def embed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            texts = batch.column("text").to_pylist()
            try:
                sentence = models.sentence_encoder().encode_texts(texts)
                if models.text_tower_is_sentence_model:
                    clip = sentence
                else:
                    clip = models.clip_encoder().encode_texts(texts)
            except InvalidVectorError as error:
                raise _naming_the_prompt(error, batch) from error
            rows = len(texts)
            columns = [
                batch.column("prompt_id"),
                to_arrow(clip),
                pa.repeat(pa.scalar(clip.shape[1], pa.int32()), rows),
                to_arrow(sentence),
                pa.repeat(pa.scalar(sentence.shape[1], pa.int32()), rows),
            ]
            yield pa.RecordBatch.from_arrays(columns, _MADE_HERE)

    return embed


def _naming_the_prompt(error: InvalidVectorError, batch: pa.RecordBatch) -> InvalidVectorError:
    if error.row is None:
        return error
    name = batch.column("prompt_id")[error.row]
    return InvalidVectorError(f"Prompt {name} cannot be embedded. {error}", error.row)


def of_models(frame: DataFrame, models: Models) -> DataFrame:
    """Keep the rows of prompt_embeddings that these models made."""
    return frame.where(
        (F.col("clip_model") == models.clip_identity)
        & (F.col("sentence_model") == models.sentence_identity)
    )


class EmbedPrompts(Stage):
    """prompts -> prompt_embeddings, in waves; prompts embedded already are left out."""

    name = "embed_prompts"
    inputs = (PROMPTS,)
    outputs = (PROMPT_EMBEDDINGS,)

    def check(self, settings: Settings) -> None:
        Models.check(settings)

    def run(self, context: Context) -> Counts:
        parts = [_embed_missing(context, models) for models in Models.every(context.settings)]
        return reduce(operator.add, parts)


def _embed_missing(context: Context, models: Models) -> Counts:
    lake, sizes = context.lake, context.settings.embedding
    done = of_models(lake.read(PROMPT_EMBEDDINGS), models).select("prompt_id")
    rows = lake.read(PROMPTS).select("prompt_id", "text").join(done, "prompt_id", "left_anti")
    missing = Missing.of(rows, "prompt_id")
    todo = missing.rows
    if todo == 0:
        return Counts(message="nothing new, every prompt is embedded")
    written = 0
    for wave in plan_waves(missing, sizes.prompts_per_wave):
        context.progress(written, todo)
        tasks = -(-min(todo, sizes.prompts_per_wave) // sizes.prompts_per_task)
        embedded = (
            # A table of texts is a few files, too few to keep every core busy.
            rows.where(wave.condition("prompt_id"))
            .repartition(tasks)
            .mapInArrow(embed_texts(models), EMBEDDED_SCHEMA)
            .withColumn("clip_model", F.lit(models.clip_identity))
            .withColumn("sentence_model", F.lit(models.sentence_identity))
            .withColumn("embedded_at", F.current_timestamp())
        )
        written += lake.insert(PROMPT_EMBEDDINGS, embedded, wave.condition("t.prompt_id"))
    return Counts(rows_in=todo, rows_out=written, message=f"{written:,} prompts embedded")
