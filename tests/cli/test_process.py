import os

import pytest

from promptknn.cli.process import wait_asleep


def test_the_users_own_way_of_waiting_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    # Set, then taken away: what stands there in the end is undone either way.
    monkeypatch.setenv("OMP_WAIT_POLICY", "")
    monkeypatch.delenv("OMP_WAIT_POLICY")
    wait_asleep()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    wait_asleep()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
