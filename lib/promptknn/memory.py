"""Letting this process keep the memory it frees."""

import ctypes

# Trim threshold, top pad and mmap threshold of glibc's malloc.h, as session.py gives them to
# Spark's workers.
_SETTINGS = ((-1, 2**31 - 1), (-2, 2**26), (-3, 2**30))


def keep_freed_memory() -> bool:
    """Tell glibc to keep big blocks that are freed; false where the C library is another.

    It would give them back to the kernel and take them again for every image, which costs the
    image tower a fifth of its time.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    taken = [mallopt(key, value) for key, value in _SETTINGS]
    return all(answer == 1 for answer in taken)
