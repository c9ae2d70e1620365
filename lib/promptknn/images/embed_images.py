"""The stage that embeds images with CLIP's image tower."""

import operator
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from promptknn.encoders.models import Models
from promptknn.errors import MissingInputError
from promptknn.images.file_embedding import EMBEDDED, FILE, embed_files
from promptknn.images.listing import UNKNOWN_SIZE, list_images
from promptknn.images.reading import roots_of
from promptknn.lake import Lake
from promptknn.materialised import materialised
from promptknn.settings import ImageSettings, Settings
from promptknn.sources.reading import table_or_path
from promptknn.sources.source import column
from promptknn.stage import Context, Counts, Stage
from promptknn.tables import IMAGE_EMBEDDINGS, REJECTED_IMAGES

# A wave looks at all of image_embeddings, for images are the same by their bytes, which are known
# only once they are read. So large runs lose a hundredth to a kill, and not a table's look a wave.
_MOST_WAVES = 100


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
        retry = settings.images.retry_rejected
        if retry:
            # A run that was killed before its end left them.
            _forget_refusals(lake, models)
        unknown = files
        for table in self.outputs[:1] if retry else self.outputs:
            known = lake.read_pinned(table).where(of_model).select(*FILE)
            unknown = unknown.join(known, FILE, "left_anti")
        aside = f", {left_out:,} files without an image's extension left out" if left_out else ""
        embedded = rejected = 0
        with materialised(unknown, lake) as missing:
            todo = missing.count()
            waves = min(-(-todo // settings.embedding.images_per_wave), _MOST_WAVES)
            for wave in range(waves):
                context.progress(embedded + rejected, todo)
                rows = missing.where(F.pmod(F.xxhash64("image_uri"), F.lit(waves)) == wave)
                tasks = -(-todo // (waves * settings.embedding.images_per_task))
                good, bad = _embed_wave(context, models, rows.repartition(tasks))
                embedded, rejected = embedded + good, rejected + bad
        if todo == 0:
            refused = lake.read(REJECTED_IMAGES).where(of_model).count()
            return Counts(message=f"nothing new, {refused:,} images are refused{aside}")
        if retry:
            _forget_refusals(lake, models)
        message = f"{embedded:,} images embedded, {rejected:,} rejected{aside}"
        return Counts(rows_in=todo, rows_out=embedded, rows_rejected=rejected, message=message)


def _embed_wave(context: Context, models: Models, files: DataFrame) -> tuple[int, int]:
    """Embed some files; give how many were, and how many were refused."""
    lake, images = context.lake, context.settings.images
    embed = embed_files(models, roots_of(images.paths), images.maximum_megapixels)
    with materialised(files.mapInArrow(embed, EMBEDDED), lake) as read:
        good = _good(read, models)
        embedded = lake.insert(IMAGE_EMBEDDINGS, _distinct(good))
        with materialised(_same_images(lake, models, good), lake) as same:
            touched = _touched(good, same)
            if not touched.isEmpty():
                lake.replace(IMAGE_EMBEDDINGS, touched)
            write = lake.replace if images.retry_rejected else lake.insert
            return embedded, write(REJECTED_IMAGES, _rejected(read, same, touched, models))


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
        return _images_of_table(context, settings.table, settings), 0
    if not settings.paths:
        raise MissingInputError(
            "No images are named: set `images.paths` to folders, globs or files, and "
            "`images.table` too where a table of URIs chooses among them."
        )
    listing = list_images(settings.paths, settings.extensions)
    return context.spark.createDataFrame(listing.to_arrow()), listing.left_out


def _images_of_table(context: Context, table: str, settings: ImageSettings) -> DataFrame:
    frame = table_or_path(context.spark, table, "images.table")
    place = f"The table {table}"
    uri = F.col(column(frame, settings.uri_column, place, "images.uri_column")).cast("string")
    modified = never = F.lit(0).cast("timestamp")
    if settings.modified_column:
        name = column(frame, settings.modified_column, place, "images.modified_column")
        modified = F.coalesce(F.col(name).cast("timestamp"), never)
    # A table does not tell a file's size.
    return (
        frame.select(_path(uri).alias("image_uri"), modified.alias("modified"))
        .where("image_uri IS NOT NULL")
        .groupBy("image_uri")
        .agg(F.max("modified").alias("modified_at"))
        .select("image_uri", F.lit(UNKNOWN_SIZE).cast("bigint").alias("image_bytes"), "modified_at")
    )


def _path(uri: Column) -> Column:
    """Give the path that hosts know a file by: Databricks writes file: and dbfs: before it."""
    return F.regexp_replace(uri, "^(?:file:(?://)?(?=/)|dbfs:(?=/Volumes/))", "")


def _forget_refusals(lake: Lake, models: Models) -> None:
    """Delete the refusals of files that have been embedded since."""
    of_model = F.col("clip_model") == models.clip_identity
    kept = lake.read(IMAGE_EMBEDDINGS).where(of_model).select(*FILE)
    refused = lake.read(REJECTED_IMAGES).where(of_model)
    lake.delete(REJECTED_IMAGES, refused.join(kept, FILE, "left_semi"))


def _good(read: DataFrame, models: Models) -> DataFrame:
    good = read.where("reason IS NULL").withColumn("clip_model", F.lit(models.clip_identity))
    return good.withColumn("embedded_at", F.current_timestamp())


def _distinct(good: DataFrame) -> DataFrame:
    same_image = Window.partitionBy("image_id").orderBy("image_uri")
    return good.withColumn("copy", F.row_number().over(same_image)).where("copy = 1")


def _same_images(lake: Lake, models: Models, good: DataFrame) -> DataFrame:
    """Read what is known of a wave's images: with them, files of other waves and earlier runs.

    The one look at the whole table but for the insert: a wave's ids are sent to every worker, and
    no rows move.
    """
    kept = lake.read_pinned(IMAGE_EMBEDDINGS).where(F.col("clip_model") == models.clip_identity)
    ids = good.select("image_id").distinct()
    return kept.select("image_id", *FILE).join(F.broadcast(ids), "image_id", "left_semi")


def _touched(good: DataFrame, same: DataFrame) -> DataFrame:
    """Find the files that are known, but for their time: written anew, with the same bytes."""
    own = same.select("image_id", "image_uri")
    return good.join(own, ["image_id", "image_uri"], "left_semi").join(
        same.select(*FILE), FILE, "left_anti"
    )


def _rejected(read: DataFrame, same: DataFrame, touched: DataFrame, models: Models) -> DataFrame:
    # A file with the bytes of another is not embedded twice, and not lost either.
    duplicate: Column = F.coalesce("reason", F.lit("duplicate_image"))
    embedded = same.select(*FILE).union(touched.select(*FILE))
    return read.join(embedded, FILE, "left_anti").select(
        *FILE,
        duplicate.alias("reason"),
        F.coalesce("detail", "image_id", F.lit("")).alias("detail"),
        F.lit(models.clip_identity).alias("clip_model"),
        F.current_timestamp().alias("rejected_at"),
    )
