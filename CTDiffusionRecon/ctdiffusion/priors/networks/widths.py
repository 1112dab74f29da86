"""Feature channels of the levels of a network."""

from __future__ import annotations

from collections.abc import Sequence


def feature_widths(width: int, multipliers: Sequence[float]) -> list[int]:
    """Feature channels of each level from multiples of `width`, which may be fractions such as 0.5.

    Raises:
        ValueError: a level without channels.
    """
    widths = [round(width * multiplier) for multiplier in multipliers]
    if not widths or min(widths) < 1:
        raise ValueError(f"multipliers {list(multipliers)} of {width} feature channels leave a level without any")
    return widths
