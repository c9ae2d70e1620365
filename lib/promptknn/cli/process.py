"""How a process that is the command's own waits; a library leaves that alone."""

import os


def wait_asleep() -> None:
    """Let torch's threads sleep while they wait for each other; call it before torch is imported.

    Otherwise they wait at full speed for one that another process has put off its core: on a busy
    machine an image then takes ten times as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
