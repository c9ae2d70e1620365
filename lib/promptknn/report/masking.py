"""Settings as text for a page that others will see: secrets are masked."""

import json
import re

_SECRET = re.compile(r"secret|passw|token|credential|(access|account|api)[._-]?key", re.IGNORECASE)
_MASK = "(masked)"


def shown_settings(settings: str) -> str:
    """Give settings as indented JSON, the values of keys that sound secret masked.

    Args:
        settings: JSON, as job_runs has it.
    """
    return json.dumps(_masked(json.loads(settings)), indent=2, ensure_ascii=False)


def _masked(node: object) -> object:
    if isinstance(node, dict):
        return {
            key: _MASK if _SECRET.search(key) and isinstance(value, str) else _masked(value)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_masked(item) for item in node]
    return node
