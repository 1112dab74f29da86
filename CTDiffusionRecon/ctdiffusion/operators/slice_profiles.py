"""The thick slices that `slice_average` knows; apart from it, so that they can be listed without torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

# Fewest and most thin slices in a thick one.
FACTORS = (2, 8)
PROFILES = ("rectangle", "gaussian", "trapezoid")


def nearly_cubic(spacing: Sequence[float]) -> tuple[int, float]:
    """The factor for the most nearly cubic voxels, of thick ones of a spacing (x, y, z) in mm; and the exact one."""
    x, y, z = spacing
    wanted = z / math.sqrt(x * y)
    low, high = FACTORS
    return min(max(round(wanted), low), high), wanted
