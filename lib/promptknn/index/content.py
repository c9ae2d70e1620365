"""Which index settings decide what an index is, and which only what is asked of it."""

import json

from promptknn.index.settings import IndexSettings

# Keys that change where an index lies or how it travels.
_ELSEWHERE = frozenset({
    "location", "cache", "distribution", "broadcast_below_bytes", "search",
    "replicated_below_bytes", "group_bytes", "refit_growth",
})  # fmt: skip
_TARGET = "target_recall"
# An index stays what it is, whatever recall is wanted of it: other lists may be searched.
_ASKED = frozenset({_TARGET, "recall_queries"})


def recorded(settings: IndexSettings) -> str:
    """Write what index_versions keeps of the settings, as JSON."""
    return settings.model_dump_json(exclude=set(_ELSEWHERE))


def content_of(recorded_settings: str) -> str:
    """Leave of what `recorded` wrote, in this release or an earlier one, what decides the index."""
    kept = {key: value for key, value in json.loads(recorded_settings).items() if key not in _ASKED}
    return json.dumps(kept, sort_keys=True)


def target_of(recorded_settings: str) -> float | None:
    """Give the recall that was wanted."""
    target = json.loads(recorded_settings).get(_TARGET)
    return None if target is None else float(target)
