"""The stage that predicts prompts for every image that has none yet."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.encoders.models import Models
from promptknn.evaluation.calibration import Calibration
from promptknn.index.active import ActiveIndex, active_index
from promptknn.index.write_shards import RESCORING_COLUMN
from promptknn.lake import Lake
from promptknn.prediction.partitioned import search_partitioned
from promptknn.prediction.predicted import check_k, prediction_hash
from promptknn.prediction.replicated import search_replicated
from promptknn.prediction.summary import summary
from promptknn.settings import PredictionSettings
from promptknn.stage import Context, Counts, Stage
from promptknn.tables import CALIBRATIONS, IMAGE_EMBEDDINGS, INDEX_VERSIONS, PREDICTIONS
from promptknn.waves import Missing, plan_waves


def search(
    images: DataFrame,
    todo: int,
    index: ActiveIndex,
    settings: PredictionSettings,
    models: Models,
) -> DataFrame:
    """Predict for todo rows of image_id, image_uri and embedding, as the index's size asks."""
    names = ["image_id", "image_uri", "embedding"]
    columns = images.select(*names, *([RESCORING_COLUMN] if settings.rescoring else []))
    if index.groups:
        return search_partitioned(columns, todo, index.handle, index.groups, settings, models)
    return search_replicated(columns, index.handle, settings, models)


def embedded_images(lake: Lake, models: Models, second: Models | None) -> DataFrame:
    """Give the rows of image_embeddings, beside each the second model's vector if there is one."""
    embeddings = lake.read(IMAGE_EMBEDDINGS)
    images = embeddings.where(F.col("clip_model") == models.clip_identity)
    if second is None:
        return images
    again = embeddings.where(F.col("clip_model") == second.clip_identity)
    vectors = again.select("image_id", F.col("embedding").alias(RESCORING_COLUMN))
    return images.join(vectors, "image_id")


def _confidence(context: Context, hash_: str) -> str:
    """Write the latest calibration of these settings as SQL; null where there is none."""
    known = context.lake.read_if_there(CALIBRATIONS)
    latest = []
    if known is not None:
        of_settings = known.where(F.col("settings_hash") == hash_)
        latest = of_settings.orderBy(F.desc("calibrated_at")).limit(1).collect()
    if not latest:
        return "CAST(NULL AS FLOAT)"
    found = Calibration(latest[0].intercept, latest[0].similarity, latest[0].agreement)
    return found.sql("mean_similarity", "agreement")


class PredictPrompts(Stage):
    """image_embeddings + index -> predictions, wave by wave; those that are there are left out."""

    name = "predict_prompts"
    inputs = (IMAGE_EMBEDDINGS, INDEX_VERSIONS)
    outputs = (PREDICTIONS,)

    def run(self, context: Context) -> Counts:
        lake, settings = context.lake, context.settings.prediction
        models = Models.of(context.settings)
        index = active_index(lake, context.settings, models)
        check_k(settings, index.prompts)
        hash_ = prediction_hash(context.settings, models)
        images = embedded_images(lake, models, Models.rescoring_of(context.settings))
        done = lake.read(PREDICTIONS).where(F.col("settings_hash") == hash_)
        if settings.repredict:
            done = done.where(F.col("index_version") == index.version)
        pending = images.join(done.select("image_id"), "image_id", "left_anti")
        missing = Missing.of(pending, "image_id")
        todo = missing.rows
        if todo == 0:
            message = "nothing new, every image has its prediction"
            return Counts(message=message, details=summary(context, hash_))
        confidence = F.expr(_confidence(context, hash_))
        write, written = lake.replace if settings.repredict else lake.insert, 0
        for wave in plan_waves(missing, settings.images_per_wave):
            context.progress(written, todo)
            some = pending.where(wave.condition("image_id"))
            in_wave = min(todo, settings.images_per_wave)
            predicted = (
                search(some, in_wave, index, settings, models)
                .withColumn("settings_hash", F.lit(hash_))
                .withColumn("confidence", confidence)
                .withColumn("index_version", F.lit(index.version))
                .withColumn("w1", F.lit(settings.w1))
                .withColumn("w2", F.lit(settings.w2))
                .withColumn("clip_model", F.lit(models.clip_identity))
                .withColumn("sentence_model", F.lit(models.sentence_identity))
                .withColumn("predicted_at", F.current_timestamp())
            )
            written += write(PREDICTIONS, predicted, wave.condition("t.image_id"))
        message = f"{written:,} images predicted with index {index.version}"
        unanswered = pending.count() if written < todo else 0
        if unanswered:
            message += (
                f", {unanswered:,} others met no prompt in the lists that were searched: raise "
                f"`index.target_recall` and run jobs/build_index.py"
            )
        details = summary(context, hash_)
        return Counts(rows_in=todo, rows_out=written, message=message, details=details)
