"""The stage that makes a picture for each prompt."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.arrow_runs import pieces_of
from promptknn.cleaning.policy import without_forbidden
from promptknn.deduplication.decided import decided
from promptknn.encoders.models import Models
from promptknn.errors import GenerationError
from promptknn.images.diffusion_pipeline import check_generation, generator_identity
from promptknn.images.generation import Picture, Refusal, picture_generator, picture_seed
from promptknn.images.picture_files import (
    picture_name,
    pictures_location,
    save_picture,
    with_file,
)
from promptknn.settings import GenerationSettings, Settings
from promptknn.stage import Context, Counts, Stage
from promptknn.tables import NEAR_DUPLICATES, PROMPT_IMAGES, PROMPTS, REJECTED_PROMPT_IMAGES
from promptknn.waves import Missing, plan_waves

_Batches = Iterator[pa.RecordBatch]
_KEY = ["prompt_id", "number"]
_RESULTS = pa.schema([
    ("prompt_id", pa.string()), ("number", pa.int32()), ("seed", pa.int64()),
    ("image_uri", pa.string()), ("image_bytes", pa.int64()), ("width", pa.int32()),
    ("height", pa.int32()), ("safety", pa.string()), ("reason", pa.string()),
    ("detail", pa.string()),
])  # fmt: skip
_SCHEMA = (
    "prompt_id string, number int, seed bigint, image_uri string, image_bytes bigint, width int, "
    "height int, safety string, reason string, detail string"
)


def generate_batches(
    settings: GenerationSettings, generator: str, location: Path
) -> Callable[[_Batches], _Batches]:
    """Make the function that makes and saves pictures inside Spark's workers.

    It takes prompt_id, number and text, and gives a row a picture: its file, or a reason.
    """

    def generate(batches: _Batches) -> _Batches:
        pipeline = picture_generator(settings, generator)
        for some in pieces_of(batches, settings.batch_size):
            ids, numbers, texts = (
                some.column(name).to_pylist() for name in ("prompt_id", "number", "text")
            )
            seeds = list(map(picture_seed, ids, numbers))
            results = pipeline.generate(texts, seeds)
            rows = []
            for prompt_id, number, seed, result in zip(ids, numbers, seeds, results, strict=True):
                path = location / picture_name(generator, prompt_id, number)
                row = {"prompt_id": prompt_id, "number": number, "seed": seed}
                rows.append(row | _outcome(result, path))
            yield pa.RecordBatch.from_pylist(rows, _RESULTS)

    return generate


def _outcome(result: Picture | Refusal, path: Path) -> dict[str, str | int]:
    if isinstance(result, Refusal):
        return {"reason": result.reason, "detail": result.detail}
    return {
        "image_uri": str(path),
        "image_bytes": save_picture(result.image, path),
        "width": result.image.width,
        "height": result.image.height,
        "safety": result.safety,
    }


class GenerateImages(Stage):
    """prompts -> prompt_images + rejected_prompt_images, and a PNG for each row of the first.

    Near duplicates that have been found get no picture, nor does what the policy forbids. A row
    whose file has gone is made again, and so is a file that a killed run left without its row.
    """

    name = "generate_images"
    inputs = (PROMPTS, NEAR_DUPLICATES)
    outputs = (PROMPT_IMAGES, REJECTED_PROMPT_IMAGES)

    def check(self, settings: Settings) -> None:
        check_generation(settings.generation)
        pictures_location(settings)

    def run(self, context: Context) -> Counts:
        lake, settings = context.lake, context.settings.generation
        generator = generator_identity(settings)
        if settings.retry_rejected:
            # A run that was killed before its end left them.
            lake.delete(REJECTED_PROMPT_IMAGES, lake.read(PROMPT_IMAGES))
        make = generate_batches(settings, generator, pictures_location(context.settings))
        wanted = _wanted(context)
        missing = Missing.of(_missing(context, wanted, generator), "prompt_id")
        todo = missing.rows
        if todo == 0:
            pictures = lake.read(PROMPT_IMAGES).where(F.col("generator") == generator).count()
            return Counts(message=f"nothing new, {pictures:,} pictures of {generator}")
        made, refused = 0, Counter[str]()
        for wave in plan_waves(missing, settings.images_per_wave):
            context.progress(made + refused.total(), todo)
            rows = _missing(context, wanted, generator, wave.condition("prompt_id"))
            tasks = -(-min(todo, settings.images_per_wave) // settings.images_per_task)
            tasks = min(tasks, settings.tasks_at_once or tasks)
            # One wave's rows fit the driver, whatever the number of prompts; computed again for
            # each table they are written to, they would be made twice.
            results = rows.repartition(tasks).mapInArrow(make, _SCHEMA).toArrow()
            made += _write(context, results, generator, wave.condition("t.prompt_id"))
            refused.update(filter(None, results.column("reason").to_pylist()))
            if made == 0 and refused:
                raise GenerationError(
                    f"None of {refused.total():,} pictures could be made "
                    f"({_first_detail(results)}): mend the section `generation`, then run again "
                    f"with --set generation.retry_rejected=true."
                )
        if settings.retry_rejected:
            lake.delete(REJECTED_PROMPT_IMAGES, lake.read(PROMPT_IMAGES))
        reasons = "".join(f", {count:,} {reason}" for reason, count in sorted(refused.items()))
        message = f"{made:,} pictures made with {generator}, {refused.total():,} refused{reasons}"
        return Counts(todo, made, refused.total(), message)


def _wanted(context: Context) -> DataFrame:
    """Give prompt_id, number and text of every picture there should be."""
    lake, settings = context.lake, context.settings.generation
    prompts = lake.read(PROMPTS).select("prompt_id", "text")
    if lake.exists(NEAR_DUPLICATES):
        models = Models.of(context.settings)
        near = decided(lake, NEAR_DUPLICATES, models, context.settings.deduplication)
        prompts = prompts.join(near, "prompt_id", "left_anti")
    prompts = without_forbidden(lake, prompts, context.settings.policy)
    if settings.prompts is not None:
        # Ids are hashes: the smallest are a random sample, the same for every run.
        smallest = prompts.select("prompt_id").orderBy("prompt_id").limit(settings.prompts)
        last = smallest.agg(F.max("prompt_id")).collect()[0][0]
        prompts = prompts.where(F.col("prompt_id") <= F.lit(last))
    numbers = F.sequence(F.lit(0), F.lit(settings.images_per_prompt - 1))
    return prompts.withColumn("number", F.explode(numbers))


def _missing(
    context: Context, wanted: DataFrame, generator: str, condition: str = "true"
) -> DataFrame:
    """Leave out the pictures that are listed and there, and those that were refused."""
    lake, of_generator = context.lake, F.col("generator") == generator
    listed = lake.read(PROMPT_IMAGES).where(of_generator).where(condition)
    there = listed.select(*_KEY, "image_uri").mapInArrow(with_file, "prompt_id string, number int")
    missing = wanted.where(condition).join(there, _KEY, "left_anti")
    if context.settings.generation.retry_rejected:
        return missing
    refused = lake.read(REJECTED_PROMPT_IMAGES).where(of_generator).where(condition)
    return missing.join(refused.select(*_KEY), _KEY, "left_anti")


def _write(context: Context, results: pa.Table, generator: str, within: str) -> int:
    """Write a wave's rows, and give the number of pictures made."""
    lake, settings = context.lake, context.settings.generation
    if results.num_rows == 0:
        return 0
    rows = context.spark.createDataFrame(results).withColumn("generator", F.lit(generator))
    refused = rows.where("reason IS NOT NULL").withColumn("rejected_at", F.current_timestamp())
    if results.column("reason").null_count < results.num_rows:
        lake.replace(REJECTED_PROMPT_IMAGES, refused, within)
    made = (
        rows.where("reason IS NULL")
        .withColumn("model", F.lit(settings.model))
        .withColumn("scheduler", F.lit(settings.scheduler))
        .withColumn("steps", F.lit(settings.steps))
        .withColumn("guidance", F.lit(settings.guidance))
        .withColumn("generated_at", F.current_timestamp())
    )
    return lake.replace(PROMPT_IMAGES, made, within)


def _first_detail(results: pa.Table) -> str:
    details: list[str] = results.column("detail").drop_null().to_pylist()
    return details[0]
