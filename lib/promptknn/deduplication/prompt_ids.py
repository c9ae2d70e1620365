"""The name of a prompt: a hash of its text."""

import hashlib


def prompt_id(text: str) -> str:
    """Name a normalised text: the first 128 bits of its SHA-256 in hex, 32 digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]
