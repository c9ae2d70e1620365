"""Tiny diffusion models, each built once."""

from pathlib import Path

import pytest

from tests.diffusion import save_pipeline


@pytest.fixture(scope="session")
def diffusion_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without a safety checker."""
    return save_pipeline(tmp_path_factory.mktemp("diffusion") / "tiny")
