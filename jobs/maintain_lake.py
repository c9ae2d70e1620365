"""Compact every table; drop old files, and index versions that nothing uses."""

from promptknn.command import arguments, run_job
from promptknn.maintenance.maintain_lake import MaintainLake

if __name__ == "__main__":
    run_job(arguments(__doc__), lambda options: [MaintainLake()])
