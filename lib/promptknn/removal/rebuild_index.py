"""The stage that builds the index again without the prompts that were removed."""

from pyspark.sql import functions as F

from promptknn.deduplication.find_near_duplicates import FindNearDuplicates
from promptknn.index.build import BuildIndex
from promptknn.index.forget import forget_versions
from promptknn.lake import Lake
from promptknn.removal.held_versions import versions_with_removed
from promptknn.removal.removed import removed_ids
from promptknn.stage import Context, Counts, Stage
from promptknn.tables import INDEX_VERSIONS


class RebuildIndex(Stage):
    """near_duplicates and the index without the removed prompts; the versions before are forgotten.

    Near duplicates of removed prompts are decided anew first. A lake without an index stays so.
    """

    name = "rebuild_index"
    inputs = (*FindNearDuplicates.inputs, *BuildIndex.inputs)

    def run(self, context: Context) -> Counts:
        lake = context.lake
        if removed_ids(lake) is None or _versions(lake, active=True) == set():
            return Counts(message="nothing to rebuild")
        stages = (FindNearDuplicates(), BuildIndex())
        lake.create({table.name: table for stage in stages for table in stage.outputs}.values())
        near, built = (stage.run(context) for stage in stages)
        gone = versions_with_removed(lake, context.settings) & _versions(lake, active=False)
        forget_versions(lake, context.settings.index, gone)
        counts = near + built
        counts.message += f"; {len(gone)} index versions with removed prompts forgotten"
        return counts


def _versions(lake: Lake, active: bool) -> set[str]:
    versions = lake.read_or_empty(INDEX_VERSIONS).where(F.col("active") == active)
    return {row.index_version for row in versions.select("index_version").collect()}
