"""The base of every part of the settings, and the hash that names what they decide."""

import hashlib
import json

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen part of the settings that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def settings_hash(*sections: BaseModel | str, exclude: frozenset[str] = frozenset()) -> str:
    """Hash settings that decide a result: 16 hex digits, the same on every machine.

    Args:
        sections: settings, or texts such as the identity of a model.
        exclude: keys that do not change the result (how many rows a task gets, say).
    """
    parts = [
        part if isinstance(part, str) else part.model_dump(mode="json", exclude=set(exclude))
        for part in sections
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
