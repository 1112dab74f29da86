"""What can be chosen by name in samplers; apart from them, so that it can be listed without torch."""

from __future__ import annotations

# How the next noise level is reached (`transition`).
TRANSITIONS = ("dds", "renew", "ancestral", "diffpir")
# How the fresh noise is shared between slices (`noise_policy`).
POLICIES = ("independent", "inter-slice", "shared")
# Axes `[slice, row, column]` of total variation inside data consistency (`admm`).
AXES = {"z": (0,), "plane": (1, 2), "all": (0, 1, 2)}
