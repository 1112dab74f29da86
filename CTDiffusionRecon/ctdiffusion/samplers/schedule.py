"""Noise schedules in the prior's range."""

from __future__ import annotations


def geometric(start: float, end: float, steps: int) -> list[float]:
    """`steps` noise levels from `start` down to `end`, equally spaced in log sigma.

    Raises:
        ValueError: levels that are not positive or do not decrease, or no step; named as the samplers' parameters.
    """
    if steps < 1:
        raise ValueError(f"parameters.steps: must be at least 1, got {steps}")
    if not start > 0.0:
        raise ValueError(f"parameters.sigma_start: must be positive, got {start:g}")
    if steps == 1:
        return [start]
    if not 0.0 < end <= start:
        raise ValueError(f"parameters.sigma_end: must be positive and at most the first level, {start:g}, got {end:g}")
    return [float(start * (end / start) ** (k / (steps - 1))) for k in range(steps)]
