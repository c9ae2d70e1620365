"""A user's folder: the settings lie there, the jobs are started from another one."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from deltalake import DeltaTable

from promptknn.tables import ALL_TABLES, JOB_RUNS
from tests.small import small_tree
from tests.submission import submit_well, write_config

SAID = "said.txt"


@dataclass(frozen=True)
class Site:
    """The folder, what the jobs said, and what is in the lake.

    Attributes:
        home: holds small.yaml, and the lake that it names.
        elsewhere: where the jobs were started.
        config: small.yaml.
        said: by build_index and predict_prompts.
    """

    home: Path
    elsewhere: Path
    config: Path
    said: str

    @classmethod
    def of(cls, home: Path) -> "Site":
        """Look at a folder where the jobs have run."""
        return cls(home, home / "elsewhere", home / "small.yaml", (home / SAID).read_text())

    @classmethod
    def made(cls, home: Path) -> "Site":
        """Run the two main jobs as a user does, on all cores."""
        (home / "elsewhere").mkdir(parents=True)
        tree = {**small_tree(home), "lake": "./lake"}
        config = write_config(home / "small.yaml", tree)
        jobs = ("build_index", "predict_prompts")
        said = "".join(submit_well(job, config, home / "elsewhere") for job in jobs)
        (home / SAID).write_text(said)
        return cls.of(home)

    def copy(self, place: Path) -> "Site":
        """Copy the folder, for tests that change the lake."""
        shutil.copytree(self.home, place)
        return self.of(place)

    def rows(self, table: str) -> int:
        """Count the rows of a table, without Spark."""
        return DeltaTable(str(self.home / "lake" / table)).to_pyarrow_table().num_rows

    def tables(self) -> dict[str, int]:
        """Count the rows of every table but job_runs."""
        names = {table.name for table in ALL_TABLES} - {JOB_RUNS.name}
        there = [name for name in sorted(names) if (self.home / "lake" / name).is_dir()]
        return {name: self.rows(name) for name in there}
