"""The stage that keeps a lake small: compacted tables, no old files, no unused index versions."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pyspark.sql import Row
from pyspark.sql import functions as F

from promptknn.index.forget import forget_versions
from promptknn.index.owner import is_own
from promptknn.index.version import index_location
from promptknn.maintenance.expired import expired_versions, unneeded_folders
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
        versions = folders = 0
        if lake.exists(INDEX_VERSIONS):
            versions, folders = self._forget_versions(context)
        for number, table in enumerate(there):
            context.progress(number, len(there))
            lake.sql("OPTIMIZE {0}", table)
            lake.sql(f"VACUUM {{0}} RETAIN {settings.retention_hours} HOURS", table)
        message = (
            f"{len(there)} tables compacted, {versions} index versions forgotten, "
            f"{folders} folders of shards removed"
        )
        if lake.exists(INDEX_VERSIONS) and not is_own(context.settings):
            location = index_location(context.settings)
            message += f"; what lies in {location} stays, for no build of this lake has claimed it"
        return Counts(len(there), len(there), message=message)

    def _forget_versions(self, context: Context) -> tuple[int, int]:
        lake, settings = context.lake, context.settings.maintenance
        before = datetime.now(UTC) - timedelta(hours=settings.retention_hours)
        seconds = F.unix_timestamp("built_at").alias("seconds")
        found = lake.read(INDEX_VERSIONS).select("index_version", "active", seconds).collect()
        # From seconds: collected timestamps are in the driver's time zone, and do not say so.
        rows = [
            Row(
                index_version=row.index_version,
                active=row.active,
                built_at=datetime.fromtimestamp(row.seconds, UTC),
            )
            for row in found
        ]
        gone = expired_versions(rows, settings.index_versions_kept, before)
        gone |= versions_with_removed(lake, context.settings) - {
            row.index_version for row in rows if row.active
        }
        forget_versions(lake, context.settings.index, gone)
        if not is_own(context.settings):
            return len(gone), 0
        left = {row.index_version for row in rows} - gone
        paths = {row.path for row in lake.read(INDEX_SHARDS).select("path").collect()}
        unneeded = unneeded_folders(index_location(context.settings), left, paths, before)
        for folder in unneeded:
            shutil.rmtree(folder)
        return len(gone), len(unneeded)
