"""Settings as text that others will see, in job_runs and in the report: secrets are masked."""

import json
import re

_SECRET = re.compile(r"secret|passw|token|credential|(access|account|api)[._-]?key", re.IGNORECASE)
_MASK = "(masked)"


def sounds_secret(key: str) -> bool:
    """Tell whether the name of a setting says that its value is a secret."""
    return bool(_SECRET.search(key))


def masked(settings: str) -> str:
    """Give settings with the values of keys that sound secret masked: JSON in, JSON out."""
    return json.dumps(_masked(json.loads(settings)), ensure_ascii=False)


def shown_settings(settings: str) -> str:
    """Give settings as indented JSON, masked.

    Args:
        settings: JSON, as job_runs has it.
    """
    return json.dumps(_masked(json.loads(settings)), indent=2, ensure_ascii=False)


def _masked(node: object) -> object:
    if isinstance(node, dict):
        return {
            key: _MASK if sounds_secret(key) and isinstance(value, str) else _masked(value)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_masked(item) for item in node]
    return node
