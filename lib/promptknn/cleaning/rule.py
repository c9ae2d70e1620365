"""What a rule of cleaning is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """One reason to refuse a prompt.

    Attributes:
        reason: what stands in rejected_prompts.
        refuses: SQL condition.
        detail: SQL text of what was seen.
    """

    reason: str
    refuses: str
    detail: str = "''"
