"""The base of every part of the settings."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen part of the settings that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
