"""Deduplication: exact, by prompt_id."""
