"""Which index versions, and which folders of theirs, nothing needs any more."""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pyspark.sql import Row

# As `settings_hash` names them.
_VERSION = re.compile(r"[0-9a-f]{16}")


def expired_versions(versions: Sequence[Row], kept: int, before: datetime) -> set[str]:
    """Choose the versions to forget: neither active, nor among the newest, nor built lately.

    Args:
        versions: index_version, active and built_at of each.
        kept: how many stay: the active one and the newest others.
        before: what was built later stays.
    """
    newest_first = sorted(versions, key=lambda row: (row.active, row.built_at), reverse=True)
    return {row.index_version for row in newest_first[kept:] if row.built_at < before}


def unfinished_versions(shards: Sequence[Row], known: set[str], before: datetime) -> set[str]:
    """Find the versions whose build was killed when their shards were recorded, and they not yet.

    Args:
        shards: index_version and built_at of every shard.
        known: versions that are recorded.
        before: a shard recorded later may be of a build that runs now.
    """
    lately = {row.index_version for row in shards if row.built_at >= before}
    return {row.index_version for row in shards} - known - lately


def unneeded_folders(
    root: Path, versions: set[str], shard_paths: set[str], before: datetime
) -> list[Path]:
    """Find folders of index versions below the index location that no version points at.

    A shard outlives its version where a later one has grown from it. What is not named as a version
    is none of ours.

    Args:
        root: the index location.
        versions: index versions that stay.
        shard_paths: paths of their shards, below the index location.
        before: a folder written later may be that of a build that runs now.
    """
    needed = {root / path for path in shard_paths}
    unneeded = []
    for folder in sorted(root.iterdir() if root.is_dir() else []):
        ours = folder.is_dir() and _VERSION.fullmatch(folder.name)
        if not ours or folder.name in versions or not _older(folder, before):
            continue
        parts = sorted(folder.iterdir())
        gone = [part for part in parts if part not in needed]
        unneeded += [folder] if gone == parts else gone
    return unneeded


def _older(folder: Path, before: datetime) -> bool:
    latest = max(path.stat().st_mtime for path in [folder, *folder.rglob("*")])
    return latest < before.timestamp()
