"""Memory that image towers use again for every picture."""

import ctypes

# Trim threshold, top pad and mmap threshold of glibc's malloc.h.
_MALLOC = ((-1, 2**31 - 1), (-2, 2**26), (-3, 2**30))


def keep_freed_memory() -> bool:
    """Tell glibc to keep big blocks that are freed; false where the C library is another.

    It would give them back to the kernel and take them again, zeroed, for every layer of every
    picture, which costs an image tower a fifth of its time.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    taken = [mallopt(key, value) for key, value in _MALLOC]
    return all(answer == 1 for answer in taken)
