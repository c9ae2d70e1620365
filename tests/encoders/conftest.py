from pathlib import Path

import pytest

from tests.checkpoints import tiny_clip


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a tiny open_clip checkpoint: read it, and change nothing."""
    return tiny_clip(tmp_path_factory.mktemp("checkpoints") / "tiny", seed=0)


@pytest.fixture
def own_model(tmp_path: Path) -> str:
    """The name of a tiny open_clip checkpoint, to be changed."""
    return tiny_clip(tmp_path / "own", seed=0)
