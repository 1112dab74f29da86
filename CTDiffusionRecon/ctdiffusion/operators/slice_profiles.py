"""The thick slices that `slice_average` knows; apart from it, so that they can be listed without torch."""

from __future__ import annotations

# Fewest and most thin slices in a thick one.
FACTORS = (2, 8)
PROFILES = ("rectangle", "gaussian", "trapezoid")
