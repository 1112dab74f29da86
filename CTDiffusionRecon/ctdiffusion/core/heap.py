"""Memory that is freed stays with the process: arrays of the same sizes are wanted again and again.

By default glibc gives every array of some megabytes back to the system, which then clears new pages for the next one.
In a reconstruction that is up to a fifth of the computing time (measured: 25 000 page faults per network evaluation).
"""

from __future__ import annotations

import ctypes
import sys

# mallopt's names for: free memory at the top of the heap that is kept, and size from which an array is mapped alone.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
KEPT_BYTES, ALONE_BYTES = 256 << 20, 32 << 20


def keep_freed_memory() -> bool:
    """Ask the C library to keep up to `KEPT_BYTES` of freed memory; returns whether it does (glibc alone can)."""
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library, or none to be asked
        return False
    return bool(mallopt(_TRIM_THRESHOLD, KEPT_BYTES) and mallopt(_MMAP_THRESHOLD, ALONE_BYTES))
