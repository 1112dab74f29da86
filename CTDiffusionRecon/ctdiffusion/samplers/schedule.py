"""Noise schedules in the prior's range."""

from __future__ import annotations


def geometric(start: float, end: float, steps: int) -> list[float]:
    """`steps` noise levels from `start` down to `end`, equally spaced in log sigma.

    Raises:
        ValueError: levels that are not positive or do not decrease, or no step.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    if not 0.0 < end <= start:
        raise ValueError(f"noise levels must satisfy 0 < end <= start, got start {start:g} and end {end:g}")
    if steps == 1:
        return [start]
    return [float(start * (end / start) ** (k / (steps - 1))) for k in range(steps)]
