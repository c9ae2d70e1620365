"""Settings of tracking."""

from pydantic import Field

from promptknn.section import Section


class TrackingSettings(Section):
    """Where runs of stages are logged besides job_runs; `mlflow: null` logs them nowhere else."""

    # A tracking URI: `databricks`, a server's address, sqlite:///file.
    mlflow: str | None = Field(default=None, min_length=1)
    # On Databricks a workspace path, such as /Shared/promptknn.
    experiment: str = Field(default="promptknn", min_length=1)
