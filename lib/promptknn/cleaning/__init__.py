"""Cleaning: which prompts are kept, and the one reason for which each other one is refused."""
