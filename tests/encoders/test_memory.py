import ctypes
import platform
import subprocess
import sys

import pytest

from promptknn.encoders.memory import keep_freed_memory

# Megabytes that stay with a process after it has freed 200.
KEPT = """
import os
import sys
import numpy as np
from promptknn.encoders.memory import keep_freed_memory

def held():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

if sys.argv[1] == "keep":
    assert keep_freed_memory()
before = held()
blocks = [np.ones(6_250_000) for _ in range(4)]
del blocks
print(held() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are glibc's")
@pytest.mark.parametrize(("how", "least", "most"), [("keep", 150, 300), ("leave", -50, 100)])
def test_freed_blocks_stay_with_the_process(how: str, least: float, most: float) -> None:
    command = [sys.executable, "-c", KEPT, how]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert least < float(done.stdout) < most


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert keep_freed_memory() is False
