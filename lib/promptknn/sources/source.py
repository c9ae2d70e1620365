"""What a source of prompts is: settings that know how to read themselves."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from pydantic import Field
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, FloatType

from promptknn.errors import MissingInputError
from promptknn.section import Section
from promptknn.table import quoted


class Source(Section, ABC):
    """One data set of prompts.

    `read` gives a DataFrame of `source_row_id` (string, the same on every run; the ingest stage
    numbers the rows that share one), `text` (string or null), `image_uri` (string or null) and
    `metadata` (map<string, string>): nothing is mended here, cleaning does that, and no row is left
    out but by a filter that the source's settings ask for.
    """

    name: str | None = Field(default=None, min_length=1)

    @property
    @abstractmethod
    def label(self) -> str:
        """The name under which rows of this source stand in the tables."""

    @abstractmethod
    def read(self, spark: SparkSession) -> DataFrame:
        """Read every row of the source.

        Raises:
            MissingInputError: a file, table or column is not there.
        """


def column(frame: DataFrame, name: str, place: str, key: str) -> str:
    """Find a column by name, whatever the case, and give it as SQL would quote it.

    Raises:
        MissingInputError: naming the columns that there are.
    """
    found = find_column(frame, (name,))
    if found is not None:
        return quoted(found)
    raise MissingInputError(
        f"{place} has no column '{name}': set `{key}` to one of {', '.join(frame.columns)}."
    )


def find_column(frame: DataFrame, names: Sequence[str]) -> str | None:
    """Find the first of some columns that is there, whatever the case, as the frame spells it."""
    spelled = {name.lower(): name for name in frame.columns}
    return next((spelled[name.lower()] for name in names if name.lower() in spelled), None)


def metadata(frame: DataFrame, leave_out: Sequence[str] = ()) -> Column:
    """Gather every other column into map<string, string>; nulls and NaN are left out."""
    left_out = {name.lower().strip("`") for name in leave_out}
    names = [name for name in frame.columns if name.lower() not in left_out]
    if not names:
        return F.expr("CAST(map() AS map<string, string>)")
    pairs = [part for name in names for part in (F.lit(name), _as_text(frame, name))]
    return F.map_filter(F.create_map(*pairs), lambda _, value: value.isNotNull())


def _as_text(frame: DataFrame, name: str) -> Column:
    value = F.col(quoted(name))
    if isinstance(frame.schema[name].dataType, FloatType | DoubleType):
        value = F.nullif(value, F.lit(float("nan")))
    return value.cast("string")


def content_hash(*columns: Column) -> Column:
    """Name a row by its content, for files whose rows have no id of their own.

    So the id does not depend on the order of rows, or on which of several files holds the row.
    """
    texts = [F.coalesce(c.cast("string"), F.lit("\x00")) for c in columns]
    return F.substring(F.sha2(F.concat_ws("\x1f", *texts), 256), 1, 32)


def prompt_rows(
    frame: DataFrame,
    place: str,
    text_column: str,
    id_column: str | None,
    image_column: str | None,
) -> DataFrame:
    """Give a table's columns the names that every source uses.

    Args:
        frame: rows as found.
        place: the source and its file or table, for messages.
        text_column: holds the prompt.
        id_column: holds a unique id; without one, rows are named by their content.
        image_column: holds the URI of the prompt's image.

    Raises:
        MissingInputError: a column is not there.
    """
    text = F.col(column(frame, text_column, place, "text_column")).cast("string")
    image = F.lit(None).cast("string")
    if image_column:
        image = F.col(column(frame, image_column, place, "image_column")).cast("string")
    row_id = content_hash(text, image)
    if id_column:
        given = F.col(column(frame, id_column, place, "id_column")).cast("string")
        row_id = F.coalesce(given, row_id)
    used = [name for name in (text_column, id_column, image_column) if name]
    return frame.select(
        row_id.alias("source_row_id"),
        text.alias("text"),
        image.alias("image_uri"),
        metadata(frame, used).alias("metadata"),
    )
