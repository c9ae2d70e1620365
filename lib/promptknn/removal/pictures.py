"""The files of removed prompts' pictures."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promptknn.images.picture_files import pictures_location, pictures_of
from promptknn.stage import Context
from promptknn.tables import PROMPT_IMAGES

_Batches = Iterator[pa.RecordBatch]


def picture_files(context: Context, ids: DataFrame, delete: bool) -> int:
    """Count the files of some prompts' pictures, and delete them.

    Args:
        context: its lake has prompt_images; without that table there are no pictures.
        ids: a column prompt_id.
        delete: whether they go.
    """
    listed = context.lake.read_if_there(PROMPT_IMAGES)
    if listed is None:
        return 0
    uris = listed.groupBy("prompt_id").agg(F.collect_set("image_uri").alias("image_uris"))
    found = (
        ids.join(uris, "prompt_id", "left")
        .select("prompt_id", "image_uris")
        .mapInArrow(_take(pictures_location(context.settings), delete), "files bigint")
    )
    return int(found.agg(F.coalesce(F.sum("files"), F.lit(0))).collect()[0][0])


def _take(location: Path, delete: bool) -> Callable[[_Batches], _Batches]:
    def take(batches: _Batches) -> _Batches:
        for batch in batches:
            files: set[Path] = set()
            for prompt_id, uris in zip(*(column.to_pylist() for column in batch), strict=True):
                files |= {Path(uri) for uri in uris or () if Path(uri).is_file()}
                files |= set(pictures_of(location, prompt_id))
            for file in files if delete else ():
                file.unlink(missing_ok=True)
            yield pa.RecordBatch.from_pydict({"files": pa.array([len(files)], pa.int64())})

    return take
