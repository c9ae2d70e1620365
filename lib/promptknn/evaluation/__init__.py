"""Evaluation: how near predictions come to the true prompts (paper, section 4)."""
