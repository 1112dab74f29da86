"""What can be chosen by name in z super-resolution; apart from it, so that it can be listed without torch."""

from __future__ import annotations

# Axes of `[slice, row, column]` in the order [plane, row of the plane, column of the plane].
PLANES = {"coronal": (1, 0, 2), "sagittal": (2, 0, 1)}
STACKS = ("single", "neighbourhood", "triplets")
