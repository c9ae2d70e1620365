"""Encoders: what turns images and prompts into vectors."""
