"""A second index version of a lake, without the time of building one."""

import shutil
from pathlib import Path

from promptknn.index.version import QUERY_MAP_FOLDER
from promptknn.lake import Lake
from promptknn.tables import INDEX_SHARDS, INDEX_VERSIONS


def copy_version(lake: Lake, version: str, name: str, age: str = "0 days") -> None:
    """Record a version again under another name: the same shards, not active, built some time ago.

    Args:
        lake: a folder.
        version: to copy.
        name: of the copy.
        age: an SQL interval.
    """
    for table in (INDEX_VERSIONS, INDEX_SHARDS):
        rows = lake.read(table).where(f"index_version = '{version}'").drop("run_id")
        rows = rows.selectExpr(f"'{name}' index_version", "* except (index_version)")
        if table is INDEX_VERSIONS:
            built_at = f"current_timestamp() - interval {age} built_at"
            rows = rows.selectExpr("* except (active, built_at)", "false active", built_at)
        lake.append(table, rows)
    index = Path(lake.location) / "index"
    shutil.copytree(index / version / QUERY_MAP_FOLDER, index / name / QUERY_MAP_FOLDER)
