"""What was chosen for an index version, and measured."""

from dataclasses import dataclass

from pyspark.sql import Row


@dataclass(frozen=True)
class Tuned:
    """What was chosen for an index version, and measured.

    Attributes:
        nprobe: lists to search for a query; 0 for a flat index.
        k_factor: candidates that each shard scores again, a multiple of the neighbours wanted; None
            where the index scores none again.
        recall: recall@k against exact search.
        k: of that.
        judged_by: what the queries were.
    """

    nprobe: int
    k_factor: float | None
    recall: float
    k: int
    judged_by: str

    @classmethod
    def of(cls, known: Row) -> "Tuned":
        """Read it from a row of index_versions."""
        return cls(known.nprobe, known.k_factor, known.recall, known.recall_k, known.recall_queries)

    def __str__(self) -> str:
        return f"recall@{self.k} {self.recall:.3f} by {self.judged_by}"
