"""How much of an index a search looks at, chosen by real queries."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from promptknn.arrow_vectors import from_arrow
from promptknn.encoders.encoder import Vectors
from promptknn.encoders.models import Models
from promptknn.errors import RecallError
from promptknn.index.active import handle_of, shards_of
from promptknn.index.breadth import least_breadth
from promptknn.index.content import target_of
from promptknn.index.factory import FLAT
from promptknn.index.lists_version import record_lists
from promptknn.index.query_map import QueryMap
from promptknn.index.recall import exact_answers, found_answers, recall
from promptknn.index.tuned import Tuned
from promptknn.index.version import QUERY_MAP_FOLDER, index_location
from promptknn.stage import Context
from promptknn.tables import IMAGE_EMBEDDINGS

_IMAGES = "images"


@dataclass(frozen=True)
class Tuner:
    """Tunes versions of an index over one pool.

    Attributes:
        context: has the settings and the lake.
        models: of the index.
        pool: prompt_id and clip_embedding.
        k: neighbours that are wanted.
    """

    context: Context
    models: Models
    pool: DataFrame
    k: int

    def images(self) -> DataFrame:
        """Read the image embeddings of the model."""
        images = self.context.lake.read(IMAGE_EMBEDDINGS)
        return images.where(F.col("clip_model") == self.models.clip_identity)

    def queries(self, query_map: QueryMap) -> tuple[Vectors, str]:
        """Take image embeddings where there are any: prompts overstate recall.

        Returns:
            Queries, float32 (n, d), and what they are.
        """
        wanted = self.context.settings.index.recall_queries
        found = self.images().orderBy("image_id").limit(wanted).select("embedding").toArrow()
        if found.num_rows:
            vectors = query_map.queries(from_arrow(found.column("embedding")))
            return vectors, f"{found.num_rows} {_IMAGES}"
        texts = self.pool.orderBy(F.desc("prompt_id")).limit(wanted).select("clip_embedding")
        vectors = query_map.keys(from_arrow(texts.toArrow().column("clip_embedding")))
        return vectors, f"{len(vectors)} prompts"

    def tune(
        self, version: str, query_map: QueryMap, files: Mapping[str, str], factory: str
    ) -> Tuned:
        """Find the least that reaches the target recall, or what all lists reach.

        Args:
            version: whose shards are in index_shards.
            query_map: of the version.
            files: SHA-256 of each file that its shards share.
            factory: of its shards.
        """
        queries, judged_by = self.queries(query_map)
        exact = exact_answers(self.pool, query_map, queries, self.k)
        lake, settings = self.context.lake, self.context.settings
        # Made once: it may have sent every shard to the workers.
        handle = handle_of(lake, settings, version, files, shards_of(lake, version), nprobe=0)

        def measured(nprobe: int, k_factor: float | None) -> float:
            trial = replace(handle, nprobe=nprobe, k_factor=k_factor)
            found = found_answers(self.context.spark, trial, queries, self.k)
            return recall(found, exact, similarities_are_exact=factory == FLAT)

        least = least_breadth(factory, measured, settings.index.target_recall)
        return Tuned(least.nprobe, least.k_factor, least.recall, self.k, judged_by)

    def is_outdated(self, known: Row) -> bool:
        """Tell whether what a row of index_versions searches was chosen by too little.

        For another recall, or for fewer neighbours; by prompts, where images have been embedded
        since; or by so few images that there are twice as many now.
        """
        if not known.nprobe:
            return False
        settings = self.context.settings.index
        if known.recall_k < self.k or target_of(known.settings) != settings.target_recall:
            return True
        number, what = known.recall_queries.split()
        enough = min(2 * int(number), settings.recall_queries) if what == _IMAGES else 1
        judged_by_all = what == _IMAGES and int(number) >= settings.recall_queries
        return not judged_by_all and self.images().limit(enough).count() == enough

    def tuned_again(self, known: Row) -> tuple[str, Tuned]:
        """Choose anew how a version is searched, where that is outdated.

        Other lists give other answers: they become a version of its own, of the same shards, so
        that each prediction says which it is from. What misses the target is not written: the
        version stays as it was.

        Args:
            known: its row of index_versions.

        Returns:
            The version to use, and what was measured now, or when it was built.
        """
        if not self.is_outdated(known):
            return known.index_version, Tuned.of(known)
        folder = index_location(self.context.settings) / known.index_version / QUERY_MAP_FOLDER
        query_map = QueryMap.load(folder)
        tuned = self.tune(known.index_version, query_map, known.files, known.factory)
        missed = tuned.recall < self.context.settings.index.target_recall
        return known.index_version if missed else record_lists(self.context, known, tuned), tuned

    def check(self, version: str, tuned: Tuned) -> None:
        """Check that a version may become active.

        Args:
            version: its name.
            tuned: what was measured.

        Raises:
            RecallError: it misses the target recall.
        """
        target = self.context.settings.index.target_recall
        if tuned.recall < target:
            raise RecallError(
                f"Index {version} has a measured recall@{tuned.k} of {tuned.recall:.3f}, under "
                f"`index.target_recall` {target}: what was active stays so; "
                f"lower the target or set `index.kind` to ivf_fastscan12 or flat."
            )
