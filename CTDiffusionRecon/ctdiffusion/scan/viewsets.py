"""Sets of view angles in radians: equally spaced, limited, any list."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

__all__ = ["FULL_TURN", "checked_angles", "equally_spaced", "equispaced", "limited_angle", "spread", "whole_turn"]

FULL_TURN = 2.0 * math.pi
# Largest departure from equal spacing, in parts of the spacing.
UNEQUAL = 1e-2


def equispaced(count: int, arc: float = FULL_TURN, start: float = 0.0) -> tuple[float, ...]:
    """`count` angles in radians from `start`, equally spaced over `arc`, the end not included.

    Raises:
        ValueError: count < 1 or an arc that is not positive and at most a full turn.
    """
    if count < 1:
        raise ValueError(f"views must be at least 1, got {count}")
    if not 0.0 < arc <= FULL_TURN * (1.0 + 1e-9):
        hint = " (degrees given as radians?)" if arc > FULL_TURN else ""
        raise ValueError(f"arc must be within (0, 2 pi] radians, got {arc:g}{hint}")
    return tuple(start + arc * k / count for k in range(count))


def equally_spaced(angles: Sequence[float], period: float) -> bool:
    """Whether the angles, in any order, go round the circle of `period` radians in equal steps, to `UNEQUAL` of one."""
    place = sorted(a % period for a in angles)
    step = period / len(place)
    gaps = [b - a for a, b in zip(place, [*place[1:], place[0] + period], strict=True)]
    return all(abs(gap - step) <= UNEQUAL * step for gap in gaps)


def limited_angle(count: int, start: float, span: float) -> tuple[float, ...]:
    """`count` angles in radians over [start, start + span], both ends included (limited-angle acquisition)."""
    if count < 2:
        raise ValueError(f"a limited-angle set needs at least 2 views, got {count}")
    if not 0.0 < span < FULL_TURN:
        hint = " (degrees given as radians?)" if span > FULL_TURN else ""
        raise ValueError(f"span must be within (0, 2 pi) radians, got {span:g}{hint}")
    return tuple(start + span * k / (count - 1) for k in range(count))


def whole_turn(angles: Sequence[float]) -> bool:
    """True where more than two views go round without a missing arc; see `viewgaps`."""
    # Specifications are read, and methods listed, where there is no numpy.
    from .viewgaps import whole_turn as measured

    return measured(angles)


def checked_angles(angles: Iterable[float]) -> tuple[float, ...]:
    """The angles as a tuple, in their own order.

    Raises:
        ValueError: none, one that is not finite, two that are the same view, or more than a full turn.
    """
    values = tuple(float(a) for a in angles)
    if not values:
        raise ValueError("angles: at least one view is needed")
    if not all(math.isfinite(a) for a in values):
        raise ValueError("angles: every view angle must be finite")
    if max(values) - min(values) > FULL_TURN * (1.0 + 1e-6):
        raise ValueError(
            f"angles span {max(values) - min(values):g} rad, more than a full turn "
            f"({FULL_TURN:.4g}): were they given in degrees?"
        )
    wrapped = sorted(a % FULL_TURN for a in values)
    gaps = [b - a for a, b in pairwise(wrapped)]
    gaps.append(wrapped[0] + FULL_TURN - wrapped[-1])
    if len(values) > 1 and min(gaps) < 1e-9:
        raise ValueError("angles: two views have the same angle")
    return values


def spread(angles: Sequence[float], count: int) -> list[int]:
    """Indices of `count` of the views, as equally spaced in angle as they allow; the first one is kept.

    A file's own order is kept where it goes round; interlaced or unsorted views are taken in the order of their angles.
    Arcs that nobody measured are passed over.

    Raises:
        ValueError: more views than there are, or none.
    """
    if not 1 <= count <= len(angles):
        raise ValueError(f"views: 1 to {len(angles)} of them can be taken, not {count}")
    from .viewgaps import equally_spaced

    return equally_spaced(angles, count)
