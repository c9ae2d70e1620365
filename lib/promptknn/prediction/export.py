"""The stage that writes predictions as files for other programs; Spark writes them, in parts."""

from typing import Literal, get_args

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.errors import MissingInputError, SettingsError, reason
from promptknn.evaluation.truths import image_name
from promptknn.prediction.latest import latest_prediction
from promptknn.prediction.of_files import latest_of_files
from promptknn.stage import Context, Counts, Stage
from promptknn.tables import IMAGE_EMBEDDINGS, PREDICTIONS, REJECTED_IMAGES

Form = Literal["parquet", "csv", "submission"]
FORMS: tuple[Form, ...] = get_args(Form)
# Values of an image in the contest "Stable Diffusion - Image to Prompts": all-MiniLM-L6-v2's.
SUBMISSION_DIM = 384
_CSV = {
    "header": "true",
    "escape": '"',
    "emptyValue": "",
    "ignoreLeadingWhiteSpace": "false",
    "ignoreTrailingWhiteSpace": "false",
}
_JSON_IN_CSV = ("neighbours", "embedding")


class ExportPredictions(Stage):
    """predictions of the latest settings -> a folder of files."""

    name = "export_predictions"
    inputs = (PREDICTIONS, IMAGE_EMBEDDINGS)
    outputs = (REJECTED_IMAGES,)

    def __init__(self, output: str, form: Form, files: int | None) -> None:
        """Say what to write.

        Args:
            output: a folder, or a URI that Spark can write to; it must not be there yet.
            form: parquet (as the table), csv (lists as JSON), or the contest's submission.
            files: how many; None leaves it to Spark, but for a submission, which is one.

        Raises:
            SettingsError: `files` is below 1.
        """
        if files is not None and files < 1:
            raise SettingsError(f"--files is {files}: give 1 or more.")
        self._output = output
        self._form = form
        self._files = files

    def run(self, context: Context) -> Counts:
        of_settings = F.col("settings_hash") == latest_prediction(context.lake).settings_hash
        latest = context.lake.read(PREDICTIONS).where(of_settings)
        images = latest.count()
        if self._form == "submission":
            embedded = context.lake.read(IMAGE_EMBEDDINGS)
            rows = submission(latest, embedded, context.lake.read(REJECTED_IMAGES))
            images = check_names(rows)
            rows = submission_values(rows, self._files or 1)
        else:
            rows = csv_rows(latest) if self._form == "csv" else latest
            rows = rows if self._files is None else rows.repartition(self._files)
        self._write(rows)
        values = f", {SUBMISSION_DIM} values each" if self._form == "submission" else ""
        message = f"{images:,} images{values}, written as {self._form} to {self._output}"
        return Counts(rows_in=images, rows_out=images, message=message)

    def _write(self, rows: DataFrame) -> None:
        format_ = "parquet" if self._form == "parquet" else "csv"
        options = _CSV if format_ == "csv" else {}
        try:
            # Never over what is there: Spark would delete everything in a folder named by mistake.
            rows.write.format(format_).options(**options).mode("errorifexists").save(self._output)
        except PySparkException as error:
            raise MissingInputError(
                f"Nothing can be written to {self._output} ({reason(error).rstrip('.')}): give "
                f"`--output` a folder that is not there yet."
            ) from error


def csv_rows(predictions: DataFrame) -> DataFrame:
    """Write the lists as JSON: a CSV holds none."""
    return predictions.withColumns({name: F.to_json(name) for name in _JSON_IN_CSV})


def submission(predictions: DataFrame, embedded: DataFrame, rejected: DataFrame) -> DataFrame:
    """Give every image file of the predictions its embedding: imgId, dim and embedding.

    A file with the bytes of another one has no prediction of its own, but must not be missed; one
    whose content was replaced has that of each, of which the one read last counts.

    Args:
        predictions: of one settings hash.
        embedded: image_embeddings.
        rejected: rejected_images.
    """
    key, columns = ["image_id", "clip_model"], ["image_uri", "dim", "embedding", "read_at"]
    read = embedded.select(*key, F.col("embedded_at").alias("read_at"))
    own = predictions.join(read, key, "left").select(*columns)
    copies = (
        rejected.where("reason = 'duplicate_image'")
        .select(
            "clip_model",
            F.col("detail").alias("image_id"),
            F.col("image_uri").alias("copy"),
            F.col("rejected_at").alias("read_at"),
        )
        .join(predictions, key)
        .select(F.col("copy").alias("image_uri"), *columns[1:])
    )
    name = image_name(F.col("image_uri")).alias("imgId")
    return latest_of_files(own.unionByName(copies), "read_at").select(name, "dim", "embedding")


def check_names(rows: DataFrame) -> int:
    """Count the images of a submission, which names them by file name alone.

    Raises:
        SettingsError: two share a name, or a vector has not the contest's dimension.
    """
    found = rows.agg(
        F.count(F.lit(1)).alias("images"),
        F.count_distinct("imgId").alias("names"),
        F.min("dim").alias("low"),
        F.max("dim").alias("high"),
    ).collect()[0]
    if (found.low, found.high) != (SUBMISSION_DIM, SUBMISSION_DIM):
        raise SettingsError(
            f"A submission has {SUBMISSION_DIM} values an image, but predictions have "
            f"{found.high}: predict with `sentence.model` all-MiniLM-L6-v2."
        )
    if found.names < found.images:
        raise SettingsError(
            f"A submission names images by file name, but {found.images:,} images have "
            f"{found.names:,} names: give `images.paths` no two files of one name."
        )
    return int(found.images)


def submission_values(rows: DataFrame, files: int) -> DataFrame:
    """Give a row a value: imgId_eId and val, an image's values together and in order."""
    placed = rows.repartitionByRange(files, "imgId").sortWithinPartitions("imgId")
    values = placed.select("imgId", F.posexplode("embedding").alias("eId", "val"))
    name = F.concat("imgId", F.lit("_"), F.col("eId").cast("string"))
    return values.select(name.alias("imgId_eId"), "val")
