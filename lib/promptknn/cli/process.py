"""What makes models faster in a process that is the command's own; a library leaves it alone."""

import ctypes
import os

# Trim threshold, top pad and mmap threshold of glibc's malloc.h, as session.py gives them to
# Spark's workers.
_MALLOC = ((-1, 2**31 - 1), (-2, 2**26), (-3, 2**30))


def keep_freed_memory() -> bool:
    """Tell glibc to keep big blocks that are freed; false where the C library is another.

    It would give them back to the kernel and take them again for every image, which costs the
    image tower a fifth of its time.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    taken = [mallopt(key, value) for key, value in _MALLOC]
    return all(answer == 1 for answer in taken)


def wait_asleep() -> None:
    """Let torch's threads sleep while they wait for each other; call it before torch is imported.

    Otherwise they wait at full speed for one that another process has put off its core: on a busy
    machine an image then takes ten times as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
