"""The report of the small run, with truths and an evaluation written beside it."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promptknn.errors import MissingInputError
from promptknn.lake import Lake
from promptknn.report.predictions import choose, distributions, latest_predictions
from promptknn.report.surroundings import coverage, rejections
from promptknn.report.true_prompts import with_truths
from promptknn.report.write_report import WriteReport, gather, output_file, write_page
from promptknn.settings import Settings
from promptknn.stage import Context
from promptknn.tables import EVALUATED_IMAGES, PREDICTIONS, REJECTED_PROMPTS
from tests.report.markup import Markup
from tests.small import PHOTOGRAPHS, PROMPTS, changed
from tests.submission import run_well_here, write_config

NEIGHBOURS = 10


def _context(spark: SparkSession, settings: Settings) -> Context:
    return Context(spark, Lake(spark, settings.lake, "a-run"), settings, lambda done, total: None)


def test_report_of_a_run_without_truths(spark: SparkSession, built: Settings) -> None:
    found = gather(_context(spark, built), images=60)
    assert [picture.name for picture in found.pictures] == sorted(PHOTOGRAPHS)
    assert found.chosen == "All 3 images"
    for picture in found.pictures:
        assert picture.thumbnail is not None
        assert picture.prompt == picture.neighbours[0].prompt
        assert len(picture.neighbours) == NEIGHBOURS
        assert (picture.cosine, picture.truths) == (None, ())
    assert [one.title for one in found.distributions] == ["Agreement", "Similarity"]
    for one in found.distributions:
        assert sum(bin_.count for bin_ in one.bins) == len(PHOTOGRAPHS)
        assert one.low <= one.mean <= one.high
    assert found.accuracy == []
    assert {run.stage for run in found.runs} >= {"ingest_prompts", "predict_prompts"}
    assert '"prompts": 400' in found.settings


def test_coverage_and_rejections_are_those_of_the_tables(
    spark: SparkSession, built: Settings
) -> None:
    lake = Lake(spark, built.lake, "a-run")
    found = coverage(lake, latest_predictions(lake))
    rows = lake.read(PREDICTIONS).select("neighbours").collect()
    ids = [neighbour.prompt_id for row in rows for neighbour in row.neighbours]
    assert found.found == len(set(ids))
    assert found.nearest == len({row.neighbours[0].prompt_id for row in rows})
    assert found.pool is not None
    assert len(set(ids)) <= found.pool <= PROMPTS
    assert found.favourites[0].images == max(ids.count(prompt) for prompt in ids)
    refused = lake.read(REJECTED_PROMPTS).count()
    assert sum(one.items for one in rejections(lake) if one.kind == "prompt") == refused


def test_images_of_the_most_and_least_agreement_are_shown(
    spark: SparkSession, built: Settings
) -> None:
    predictions = latest_predictions(Lake(spark, built.lake, "a-run"))
    order = [row.image_uri for row in predictions.rows.orderBy("agreement").collect()]
    some, chosen = choose(predictions, at_most=2)
    assert {picture.uri for picture in some} == {order[0], order[-1]}
    assert chosen == "2 of 3 images: those of the highest and lowest agreement"


def test_truths_and_their_cosines_are_shown(
    spark: SparkSession, built_copy: Settings, tmp_path: Path
) -> None:
    truths = tmp_path / "truths.csv"
    truths.write_text("image,prompt\ncoffee,a cup of coffee\ncoffee,an espresso\n")
    settings = changed(built_copy, evaluation__truths={"kind": "csv", "path": str(truths)})
    lake = Lake(spark, settings.lake, "a-run")
    lake.create([EVALUATED_IMAGES])
    for day, cosine in ((1, 0.2), (2, 0.7)):
        lake.sql(
            f"INSERT INTO {{0}} SELECT image_id, settings_hash, {cosine}, 2, index_version, "
            f"TIMESTAMP '2026-01-0{day}', 'day {day}' FROM {{1}} WHERE image_uri LIKE '%coffee%'",
            EVALUATED_IMAGES,
            PREDICTIONS,
        )
    predictions = latest_predictions(lake)
    pictures, chosen = choose(predictions, at_most=2)
    pictures = with_truths(spark, settings.evaluation, pictures)
    coffee = next(picture for picture in pictures if picture.name == "coffee.png")
    assert coffee.cosine == 0.7
    assert coffee.truths == ("a cup of coffee", "an espresso")
    others = predictions.rows.where("image_uri NOT LIKE '%coffee%'").orderBy(F.desc("agreement"))
    (other,) = [picture for picture in pictures if picture is not coffee]
    assert (other.cosine, other.truths) == (None, ())
    assert other.uri == others.first().image_uri
    assert chosen.startswith("2 of 3 images: those with a cosine to the truth (1), and of the")
    assert [one.title for one in distributions(predictions)][-1] == "Cosine to the truth"


def test_job_writes_the_page_and_says_where(
    spark: SparkSession, built_copy: Settings, tmp_path: Path
) -> None:
    config = write_config(tmp_path / "mine.yaml", {"lake": built_copy.lake})
    said = run_well_here("report", config, "--images", "2")
    page = Path(built_copy.lake) / "report.html"
    assert f"2 of 3 images shown in {page}" in said.replace("\n", "")
    assert len(Markup(page.read_text(encoding="utf-8")).all("img")) == 2
    assert [file.name for file in page.parent.glob(".*")] == []


def test_a_lake_without_predictions_is_named(lake: Lake) -> None:
    context = Context(lake.spark, lake, Settings(), lambda done, total: None)
    with pytest.raises(MissingInputError, match=r"table predictions is not in the lake"):
        gather(context, images=60)
    lake.create([PREDICTIONS])
    with pytest.raises(MissingInputError, match=r"is empty: run jobs/predict_prompts.py"):
        gather(context, images=60)


def test_a_report_of_no_image_is_refused() -> None:
    with pytest.raises(MissingInputError, match=r"--images is 0: give 1 or more"):
        WriteReport(None, 0)


@pytest.mark.parametrize("lake", ["main.prompts", "s3://bucket/lake"])
def test_a_lake_elsewhere_needs_an_output(lake: str) -> None:
    settings = Settings.model_validate({"lake": lake})
    with pytest.raises(MissingInputError, match=r"no folder of this machine: give `--output FILE`"):
        WriteReport(None, 60).check(settings)
    assert output_file(Path("/a/b.html"), lake) == Path("/a/b.html")


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MissingInputError, match=r"cannot be written to .*give another `--output"):
        write_page("<p>", tmp_path / "file" / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
