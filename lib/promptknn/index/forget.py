"""Forgetting index versions: their rows, and this host's copies of their shards and maps."""

from pathlib import Path

from pyspark.sql import Row

from promptknn.index.distribution import SharedFolder
from promptknn.index.version import query_map_folder
from promptknn.lake import Lake
from promptknn.settings import IndexSettings
from promptknn.table import Table, sql_text
from promptknn.tables import INDEX_SHARDS, INDEX_VERSIONS


def forget_versions(lake: Lake, settings: IndexSettings, gone: set[str]) -> None:
    """Delete the rows of versions, and the copies that this host's cache has of their files.

    The shards themselves stay for the jobs that read them; `maintain_lake` drops folders that no
    row names once they are old enough.

    Args:
        lake: has the versions.
        settings: where this host keeps copies.
        gone: the versions, none of them active.
    """
    if not gone:
        return
    copied = copied_folders(lake)
    named = ", ".join(sql_text(version) for version in sorted(gone))
    # The rows first: files that no row names are found again by the next run of maintain_lake.
    for table in (INDEX_VERSIONS, INDEX_SHARDS):
        lake.sql(f"DELETE FROM {{0}} WHERE index_version IN ({named})", table)
    cache = settings.host_cache
    left, unneeded = (
        {
            folder.place(cache): folder
            for version, folder in copied
            if (version in gone) == forgotten
        }
        for forgotten in (False, True)
    )
    for place in unneeded.keys() - left.keys():
        unneeded[place].discard(cache)


def copied_folders(lake: Lake) -> list[tuple[str, SharedFolder]]:
    """Give what hosts may have copies of, each with the index version that uses it."""

    def files(table: Table) -> list[Row]:
        return lake.read(table).select("index_version", "files").collect()

    shards = [(row.index_version, SharedFolder("", row.files)) for row in files(INDEX_SHARDS)]
    maps = [
        (row.index_version, query_map_folder(Path(), row.index_version, row.files))
        for row in files(INDEX_VERSIONS)
    ]
    return shards + maps
