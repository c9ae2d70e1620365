"""Files as data sets are published, with real captions, and what Spark makes of them."""

import contextlib
import io
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame

from promptknn.sources.demo import compose

CAPTIONS = compose(6, seed=1)
NAN = float("nan")


def write(path: Path, columns: dict[str, pa.Array]) -> Path:
    """Write parquet with two rows a row group, so that statistics can skip some."""
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return path


def pushed_filters(frame: DataFrame) -> str:
    """Give the conditions that the scan gets, as the plan prints them."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        frame.explain("formatted")
    found = re.findall(r"^PushedFilters: \[(.*)\]$", printed.getvalue(), re.MULTILINE)
    return ", ".join(found)
