"""Settings of maintenance."""

from pydantic import Field

from promptknn.section import Section

_A_WEEK = 168


class MaintenanceSettings(Section):
    """How much of the past is kept."""

    # Delta's own floor: a job that reads an older version of a table would lose its files.
    retention_hours: int = Field(default=_A_WEEK, ge=_A_WEEK)
    # The active version, and the newest of the others, to go back to.
    index_versions_kept: int = Field(default=3, ge=1)
