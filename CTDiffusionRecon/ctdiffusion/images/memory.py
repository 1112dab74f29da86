"""How much memory there is, so that a lying header is refused before anything is allocated."""

from __future__ import annotations

import os
from importlib.util import find_spec

FALLBACK_BYTES = 8_000_000_000


def available_memory() -> int:
    """Bytes of memory that can be used now; a guess of 8 GB where the system does not tell."""
    if find_spec("psutil"):
        import psutil

        return int(psutil.virtual_memory().available)
    try:
        return int(os.sysconf("SC_PHYS_PAGES")) * int(os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return FALLBACK_BYTES


def check_memory(needed: int, name: str, what: str) -> None:
    """Refuse what will not fit.

    Raises:
        ValueError: `needed` bytes are more than there is; the text names both and the file.
    """
    there = available_memory()
    if needed > there:
        raise ValueError(
            f"{name}: {what} needs about {needed / 1e9:.1f} GB of memory, {there / 1e9:.1f} GB are available"
        )
