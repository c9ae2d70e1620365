"""The stage that keeps a lake small: compacted tables, no old files, no unused index versions."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from promptknn.index.forget import forget_versions
from promptknn.index.owner import is_own
from promptknn.index.version import index_location
from promptknn.maintenance.expired import expired_versions, unfinished_versions, unneeded_folders
from promptknn.materialised import drop_leftovers
from promptknn.removal.held_versions import versions_with_removed
from promptknn.stage import Context, Counts, Stage
from promptknn.table import Table
from promptknn.tables import ALL_TABLES, INDEX_SHARDS, INDEX_VERSIONS


class MaintainLake(Stage):
    """Every table -> the same rows in fewer files; index versions -> those somebody may want.

    Old files go only after the retention, so that a job that reads meanwhile loses nothing.
    """

    name = "maintain_lake"

    def __init__(self, tables: Sequence[Table] = ALL_TABLES) -> None:
        """Plan it.

        Args:
            tables: to compact; those that are not there are left out.
        """
        self._tables = tables

    def run(self, context: Context) -> Counts:
        lake, settings = context.lake, context.settings.maintenance
        there = [table for table in self._tables if lake.exists(table)]
        before = datetime.now(UTC) - timedelta(hours=settings.retention_hours)
        forgotten = self._forget_versions(context, before)
        left = drop_leftovers(lake, before)
        leftovers = f", {left} tables that killed runs left dropped" if left else ""
        for number, table in enumerate(there):
            context.progress(number, len(there))
            lake.sql("OPTIMIZE {0}", table)
            lake.sql(f"VACUUM {{0}} RETAIN {settings.retention_hours} HOURS", table)
        message = f"{len(there)} tables compacted{leftovers}, {forgotten}"
        return Counts(len(there), len(there), message=message)

    def _forget_versions(self, context: Context, before: datetime) -> str:
        """Forget what nobody needs; say how much, and what stays."""
        lake, settings = context.lake, context.settings.maintenance
        if not lake.exists(INDEX_VERSIONS):
            return _said(0, 0)
        versions = _dated(lake.read(INDEX_VERSIONS), "active")
        known = {row.index_version for row in versions}
        gone = expired_versions(versions, settings.index_versions_kept, before)
        inactive = {row.index_version for row in versions if not row.active}
        gone |= versions_with_removed(lake, context.settings) & inactive
        shards = _dated(lake.read_or_empty(INDEX_SHARDS), "path")
        unfinished = unfinished_versions(shards, known, before)
        forget_versions(lake, context.settings.index, gone | unfinished)
        location = index_location(context.settings)
        if not is_own(context.settings):
            stays = f"; what lies in {location} stays, for no build of this lake has claimed it"
            return _said(len(gone), 0) + stays
        left = known - gone
        paths = {row.path for row in shards if row.index_version in left}
        unneeded = unneeded_folders(location, left, paths, before)
        for folder in unneeded:
            shutil.rmtree(folder)
        return _said(len(gone), len(unneeded))


def _dated(frame: DataFrame, column: str) -> list[Row]:
    """Read index_version, built_at and another column."""
    seconds = F.unix_timestamp("built_at").alias("seconds")
    # From seconds: collected timestamps are in the driver's time zone, and do not say so.
    return [
        Row(index_version=version, built_at=datetime.fromtimestamp(at, UTC), **{column: value})
        for version, at, value in frame.select("index_version", seconds, column).collect()
    ]


def _said(versions: int, folders: int) -> str:
    return f"{versions} index versions forgotten, {folders} folders of shards removed"
