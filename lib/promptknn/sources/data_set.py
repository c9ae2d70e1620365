"""What published data sets have in common: known columns, and filters over them."""

from abc import abstractmethod
from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import FractionalType

from promptknn.errors import MissingInputError
from promptknn.locations import PathLocation
from promptknn.sources.filters import Filter
from promptknn.sources.source import Source, content_hash, find_column, metadata
from promptknn.table import quoted


class DataSet(Source):
    """A published data set, read from `path`: a file, a folder or a glob.

    Its settings may filter rows; `filters.py` says what that means for a missing value, which
    `keep_missing` decides. Filtered rows are a choice, and no rejects.
    """

    path: PathLocation
    keep_missing: bool = False

    @property
    @abstractmethod
    def filters(self) -> tuple[Filter, ...]:
        """The conditions that the settings put on rows."""

    @property
    def place(self) -> str:
        """The source and its files, for messages."""
        return f"Source '{self.label}' ({self.path})"


def required(frame: DataFrame, place: str, holds: str, *names: str) -> Column:
    """Find the column that a data set cannot do without.

    Args:
        frame: rows as found.
        place: the source and its files.
        holds: what the column is for, such as "the caption".
        names: what it may be called, whatever the case; the first one that is there counts.

    Raises:
        MissingInputError: none is there.
    """
    name = find_column(frame, names)
    if name is None:
        wanted = "' or '".join(names)
        raise MissingInputError(
            f"{place} has no column '{wanted}', which holds {holds}, but "
            f"{', '.join(frame.columns)}: name the data set's own files in `path`, or read other "
            f"files with `kind: file` and `text_column`."
        )
    return F.col(quoted(name)).cast("string")


def optional(frame: DataFrame, *names: str) -> Column:
    """Find a column that may be absent: a string column, null where there is none."""
    name = find_column(frame, names)
    return F.col(quoted(name)).cast("string") if name else F.lit(None).cast("string")


def whole_number(frame: DataFrame, *names: str) -> Column:
    """Find a column of whole numbers as a string column, null where there is none.

    A column with missing values is often kept as floating point: 12.0 is given as "12", NaN as
    null.
    """
    name = find_column(frame, names)
    if name and isinstance(frame.schema[name].dataType, FractionalType):
        return F.col(quoted(name)).try_cast("decimal(38, 0)").cast("string")
    return optional(frame, *names)


def data_set_rows(
    frame: DataFrame, row_id: Column, text: Column, image: Column, used: Sequence[str]
) -> DataFrame:
    """Give a data set's columns the names that every source uses.

    Args:
        frame: rows as found.
        row_id: the row's own id; where it is null, the content names the row.
        text: the prompt.
        image: the URI of its image.
        used: the columns that need not stand in `metadata` too.
    """
    return frame.select(
        F.coalesce(row_id, content_hash(text, image)).alias("source_row_id"),
        text.alias("text"),
        image.alias("image_uri"),
        metadata(frame, used).alias("metadata"),
    )
