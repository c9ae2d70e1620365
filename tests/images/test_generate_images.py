from pathlib import Path

import pytest
from PIL import Image
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from promptknn.encoders.models import Models
from promptknn.errors import GenerationError, MissingInputError
from promptknn.images.diffusion_pipeline import generator_identity
from promptknn.images.generate_images import GenerateImages
from promptknn.images.generation import picture_seed
from promptknn.lake import Lake
from promptknn.settings import Settings
from promptknn.tables import NEAR_DUPLICATES, PROMPT_IMAGES, PROMPTS, REJECTED_PROMPT_IMAGES
from tests.conftest import Run
from tests.diffusion import OVERFLOWING_WORD, SIDE, UNKNOWN_WORD
from tests.rows import add_prompts
from tests.small import changed

GOOD = ("a cat", "a dog on the moon", "a red car", "a boat", "two trees", "a house at night")
BAD = (f"a {OVERFLOWING_WORD} cat", f"a {UNKNOWN_WORD} dog")
KEY = ["prompt_id", "seed", "generator"]


def settings_for(folder: Path, model: Path, **generation: object) -> Settings:
    tiny = {"model": str(model), "steps": 1, "width": SIDE, "height": SIDE}
    sizes = {"batch_size": 3, "images_per_wave": 4, "images_per_task": 2}
    return Settings.model_validate(
        {"lake": str(folder / "lake"), "generation": {**tiny, **sizes, **generation}}
    )


def lake_of(spark: SparkSession, settings: Settings) -> Lake:
    return Lake(spark, settings.lake, run_id="test-run")


def write_prompts(spark: SparkSession, settings: Settings, *texts: str) -> None:
    add_prompts(lake_of(spark, settings), texts)


def pictures(spark: SparkSession, settings: Settings) -> list[Row]:
    return lake_of(spark, settings).read(PROMPT_IMAGES).orderBy(*KEY).collect()


def refusals(spark: SparkSession, settings: Settings) -> dict[str, str]:
    lake = lake_of(spark, settings)
    rows = lake.read(REJECTED_PROMPT_IMAGES).join(lake.read(PROMPTS), "prompt_id")
    return {row.text: row.reason for row in rows.select("text", "reason").collect()}


def files_of(settings: Settings) -> dict[str, bytes]:
    folder = Path(settings.lake) / "prompt_images_files"
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def made(
    spark: SparkSession, run: Run, diffusion_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """A lake whose pictures have been made, in several waves; two prompts cannot be drawn."""
    settings = settings_for(tmp_path_factory.mktemp("made"), diffusion_model)
    write_prompts(spark, settings, *GOOD, *BAD)
    (counts,) = run(settings, GenerateImages())
    assert (counts.rows_in, counts.rows_out, counts.rows_rejected) == (8, 6, 2)
    return settings


def test_every_prompt_has_a_picture_or_a_reason(spark: SparkSession, made: Settings) -> None:
    lake = lake_of(spark, made)
    drawn = lake.read(PROMPT_IMAGES).join(lake.read(PROMPTS), "prompt_id").select("text")
    assert sorted(row.text for row in drawn.collect()) == sorted(GOOD)
    reasons = dict(zip(BAD, ("not_finite", "generation_failed"), strict=True))
    assert refusals(spark, made) == reasons


def test_rows_tell_what_the_files_are(spark: SparkSession, made: Settings) -> None:
    generator = generator_identity(made.generation)
    root = Path(made.lake) / "prompt_images_files" / generator
    rows = pictures(spark, made)
    for row in rows:
        path = root / row.prompt_id[:2] / f"{row.prompt_id}-0.png"
        assert row.image_uri == str(path)
        assert row.image_bytes == path.stat().st_size
        with Image.open(path) as image:
            assert (image.format, image.size) == ("PNG", (SIDE, SIDE))
        assert row.seed == picture_seed(row.prompt_id, 0)
        assert (row.generator, row.width, row.height) == (generator, SIDE, SIDE)
        assert (row.safety, row.steps, row.number) == ("not_checked", 1, 0)
    assert sorted(files_of(made)) == sorted(row.image_uri for row in rows)


def test_a_rerun_makes_nothing(spark: SparkSession, run: Run, made: Settings) -> None:
    lake = lake_of(spark, made)
    tables = (PROMPT_IMAGES, REJECTED_PROMPT_IMAGES)
    versions = [lake.version(table) for table in tables]
    times = {path: Path(path).stat().st_mtime_ns for path in files_of(made)}
    (counts,) = run(made, GenerateImages())
    assert (counts.rows_in, counts.rows_out) == (0, 0)
    assert counts.message.startswith("nothing new, 6 pictures of tiny-")
    assert [lake.version(table) for table in tables] == versions
    assert {path: Path(path).stat().st_mtime_ns for path in files_of(made)} == times


def test_what_a_killed_run_lost_is_made_again_the_same(
    spark: SparkSession, run: Run, diffusion_model: Path, tmp_path: Path
) -> None:
    settings = settings_for(tmp_path, diffusion_model, batch_size=1)
    write_prompts(spark, settings, *GOOD[:4])
    run(settings, GenerateImages())
    files, rows = files_of(settings), pictures(spark, settings)
    no_file, no_row, neither = rows[0], rows[1], rows[2]
    Path(no_file.image_uri).unlink()
    Path(neither.image_uri).unlink()
    # The file is there, and the run was killed before its row was written.
    Path(no_row.image_uri).write_bytes(b"of another day")
    lost = f"'{no_row.prompt_id}', '{neither.prompt_id}'"
    lake_of(spark, settings).sql(f"DELETE FROM {{0}} WHERE prompt_id IN ({lost})", PROMPT_IMAGES)
    # Other batches and waves than before.
    again = changed(settings, generation__batch_size=3, generation__images_per_wave=100)
    (counts,) = run(again, GenerateImages())
    assert (counts.rows_in, counts.rows_out, counts.rows_rejected) == (3, 3, 0)
    assert files_of(settings) == files
    keys = [tuple(row[key] for key in (*KEY, "image_uri")) for row in rows]
    found = pictures(spark, settings)
    assert [tuple(row[key] for key in (*KEY, "image_uri")) for row in found] == keys


def test_what_the_policy_has_come_to_forbid_gets_no_picture(
    spark: SparkSession, run: Run, diffusion_model: Path, tmp_path: Path
) -> None:
    settings = changed(settings_for(tmp_path, diffusion_model), policy={"terms": ["dog"]})
    write_prompts(spark, settings, *GOOD[:3])
    (counts,) = run(settings, GenerateImages())
    assert (counts.rows_in, counts.rows_out) == (2, 2)
    named = (
        lake_of(spark, settings)
        .read(PROMPTS)
        .join(lake_of(spark, settings).read(PROMPT_IMAGES), "prompt_id")
    )
    assert {row.text for row in named.select("text").collect()} == {"a cat", "a red car"}


def test_a_prompt_may_have_several_pictures_and_near_duplicates_have_none(
    spark: SparkSession, run: Run, diffusion_model: Path, tmp_path: Path
) -> None:
    settings = settings_for(tmp_path, diffusion_model, images_per_prompt=2, prompts=2)
    write_prompts(spark, settings, *GOOD[:4])
    lake = lake_of(spark, settings)
    lake.create([NEAR_DUPLICATES])
    ids = [row.prompt_id for row in lake.read(PROMPTS).orderBy("prompt_id").collect()]
    lake.insert(NEAR_DUPLICATES, near_duplicate(spark, settings, ids[0], ids[3]))
    run(settings, GenerateImages())
    rows = pictures(spark, settings)
    assert [(row.prompt_id, row.number) for row in sorted(rows, key=lambda r: r.image_uri)] == [
        (prompt_id, number) for prompt_id in ids[1:3] for number in (0, 1)
    ]
    assert len({Path(row.image_uri).read_bytes() for row in rows}) == 4


def near_duplicate(spark: SparkSession, settings: Settings, drop: str, keep: str) -> DataFrame:
    return spark.range(1).select(
        F.lit(drop).alias("prompt_id"),
        F.lit(Models.of(settings).sentence_identity).alias("sentence_model"),
        F.lit(settings.deduplication.similarity).alias("threshold"),
        F.lit(keep).alias("kept_prompt_id"),
        F.lit(0.95).alias("similarity"),
        F.current_timestamp().alias("decided_at"),
    )


def test_refused_prompts_are_tried_again_when_asked(
    spark: SparkSession, run: Run, diffusion_model: Path, tmp_path: Path
) -> None:
    settings = settings_for(tmp_path, diffusion_model)
    write_prompts(spark, settings, BAD[0])
    with pytest.raises(GenerationError, match=r"None of 1 pictures could be made \(the model gave"):
        run(settings, GenerateImages())
    assert refusals(spark, settings) == {BAD[0]: "not_finite"}
    write_prompts(spark, settings, GOOD[0])
    lake = lake_of(spark, settings)
    # As if the GPU had failed at this prompt.
    lake.insert(REJECTED_PROMPT_IMAGES, refusal(spark, settings, GOOD[0]))
    assert run(settings, GenerateImages())[0].rows_in == 0
    retrying = changed(settings, generation__retry_rejected=True)
    (counts,) = run(retrying, GenerateImages())
    assert (counts.rows_in, counts.rows_out, counts.rows_rejected) == (2, 1, 1)
    assert refusals(spark, settings) == {BAD[0]: "not_finite"}
    assert len(pictures(spark, settings)) == 1


def refusal(spark: SparkSession, settings: Settings, text: str) -> DataFrame:
    rows = lake_of(spark, settings).read(PROMPTS).where(F.col("text") == text)
    (row,) = rows.select("prompt_id").collect()
    return spark.range(1).select(
        F.lit(row.prompt_id).alias("prompt_id"),
        F.lit(picture_seed(row.prompt_id, 0)).cast("bigint").alias("seed"),
        F.lit(generator_identity(settings.generation)).alias("generator"),
        F.lit(0).alias("number"),
        F.lit("generation_failed").alias("reason"),
        F.lit("a cosmic ray").alias("detail"),
        F.current_timestamp().alias("rejected_at"),
    )


def test_without_prompts_the_job_to_run_first_is_named(
    run: Run, diffusion_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(MissingInputError, match="run the job that writes it"):
        run(settings_for(tmp_path, diffusion_model), GenerateImages())
