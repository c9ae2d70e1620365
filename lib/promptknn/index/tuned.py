"""What was chosen for an index version, and measured."""

from dataclasses import dataclass

from pyspark.sql import Row

from promptknn.index.breadth import Breadth


@dataclass(frozen=True)
class Tuned(Breadth):
    """What was chosen for an index version, and measured.

    Attributes:
        k: of the recall@k against exact search.
        judged_by: what the queries were.
    """

    k: int
    judged_by: str

    @classmethod
    def of(cls, known: Row) -> "Tuned":
        """Read it from a row of index_versions."""
        return cls(known.nprobe, known.k_factor, known.recall, known.recall_k, known.recall_queries)

    def __str__(self) -> str:
        return f"recall@{self.k} {self.recall:.3f} by {self.judged_by}"
