"""Comparing lakes, row by row, without Spark."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable

from promptknn.table import Table
from promptknn.tables import ALL_TABLES, JOB_RUNS

# Vectors of one text differ in the last bits with the batch it was encoded in, and a killed run
# batches otherwise; so do the files that hold them.
TOLERANCE = 1e-5
_NAMED_BY_A_RUN = {"run_id", "files", "bytes", "prompt_embeddings_version"}
_MODIFIED = "modified_at"


@dataclass
class Difference:
    """What a lake has that another has not.

    Attributes:
        lost: rows that are missing.
        doubled: rows beyond the first of each key.
        changed: tables whose rows are not the same.
    """

    lost: int = 0
    doubled: int = 0
    changed: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled or self.changed)


def difference(found: Path, expected: Path) -> Difference:
    """Compare every table of two lakes but job_runs."""
    answer = Difference()
    for table in ALL_TABLES:
        if table is JOB_RUNS or not (expected / table.name).is_dir():
            continue
        ours, theirs = _rows(found, table), _rows(expected, table)
        mine, yours = (Counter(_key(row, table) for row in rows) for rows in (ours, theirs))
        answer.lost += (yours - mine).total()
        answer.doubled += sum(count - 1 for count in mine.values())
        if not _same(ours, theirs):
            answer.changed.append(table.name)
    return answer


def unfinished_files(*folders: Path) -> list[Path]:
    """Find temporary files and folders: what is hidden, or named as one."""
    return [
        path
        for folder in folders
        for path in folder.rglob("*")
        if (path.name.startswith((".", "_temporary")) and path.suffix != ".crc")
        or path.suffix in (".tmp", ".part")
        or path.name == "near-duplicates"
    ]


def _rows(lake: Path, table: Table) -> list[dict[str, object]]:
    if not (lake / table.name / "_delta_log").is_dir():
        return []
    whole = DeltaTable(str(lake / table.name)).to_pyarrow_table()
    kept = [
        column.name
        for column in whole.schema
        if column.name not in _NAMED_BY_A_RUN
        and (
            column.name == _MODIFIED
            or column.name in table.key
            or not pa.types.is_timestamp(column.type)
        )
    ]
    rows: list[dict[str, object]] = whole.select(kept).to_pylist()
    return sorted(rows, key=lambda row: _key(row, table))


def _key(row: dict[str, object], table: Table) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in table.key if name not in _NAMED_BY_A_RUN)


def _same(ours: list[dict[str, object]], theirs: list[dict[str, object]]) -> bool:
    mine, my_numbers = _digest(ours)
    yours, your_numbers = _digest(theirs)
    return mine == yours and np.allclose(my_numbers, your_numbers, rtol=0, atol=TOLERANCE)


def _digest(rows: list[dict[str, object]]) -> tuple[str, list[float]]:
    """Hash what must be equal, and gather the numbers that may differ in the last bits."""
    numbers: list[float] = []
    exact = [_without_numbers(row, numbers) for row in rows]
    return hashlib.sha256(repr(exact).encode("utf-8", "replace")).hexdigest(), numbers


def _without_numbers(value: object, numbers: list[float]) -> object:
    if isinstance(value, float):
        numbers.append(value)
        return "number"
    if isinstance(value, dict):
        return {key: _without_numbers(inner, numbers) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_numbers(inner, numbers) for inner in value]
    return value
