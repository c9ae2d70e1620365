"""What was chosen for an index version, and measured."""

from dataclasses import dataclass

from pyspark.sql import Row


@dataclass(frozen=True)
class Tuned:
    """What was chosen for an index version, and measured.

    Attributes:
        nprobe: lists to search for a query; 0 for a flat index.
        recall: recall@k against exact search.
        k: of that.
        judged_by: what the queries were.
    """

    nprobe: int
    recall: float
    k: int
    judged_by: str

    @classmethod
    def of(cls, known: Row) -> "Tuned":
        """Read it from a row of index_versions."""
        return cls(known.nprobe, known.recall, known.recall_k, known.recall_queries)

    def __str__(self) -> str:
        return f"recall@{self.k} {self.recall:.3f} by {self.judged_by}"
