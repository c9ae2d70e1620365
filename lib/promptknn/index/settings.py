"""Settings of the index: how shards are built, judged and distributed."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from promptknn.locations import PathLocation, default_cache
from promptknn.section import Section


class IndexSettings(Section):
    """How shards are built, judged and distributed."""

    location: PathLocation | None = None
    rows_per_shard: int = Field(default=1_000_000, ge=1)
    shards: int | None = Field(default=None, ge=1)
    kind: Literal["auto", "flat", "ivf_fastscan", "ivf_fastscan12", "ivf_sq8", "ivf_pq"] = "auto"
    # What the vectors of all shards may take; their texts and sentence embeddings come on top.
    memory_bytes: int | None = Field(default=None, ge=1)
    flat_below: int = Field(default=200_000, ge=0)
    training_rows: int = Field(default=200_000, ge=1)
    # A pool that has grown by more than this factor is indexed anew, its query map fitted again.
    refit_growth: float = Field(default=2.0, ge=1)
    target_recall: float = Field(default=0.99, gt=0, le=1)
    recall_queries: int = Field(default=256, ge=1)
    query_map: Literal["auto", "identity", "centred", "ridge", "conse"] = "auto"
    distribution: Literal["auto", "broadcast", "files"] = "auto"
    broadcast_below_bytes: int = Field(default=2_000_000_000, ge=0)
    # An index that outgrows a host is searched by groups of its shards, and the answers merged.
    search: Literal["auto", "replicated", "partitioned"] = "auto"
    replicated_below_bytes: int = Field(default=32_000_000_000, ge=0)
    group_bytes: int = Field(default=8_000_000_000, ge=1)
    cache: PathLocation | None = None

    @property
    def host_cache(self) -> Path:
        """The folder for what each host keeps: copies of indexes, vectors of reference texts."""
        return Path(self.cache or default_cache())
