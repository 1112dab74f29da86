"""View angles as files give them, brought to this engine's convention."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...scan.beams import FULL_TURN
from .description import Angles

DEGREE = np.pi / 180.0
# Two views closer than this (in radians) are one view taken twice.
SAME_VIEW = 1e-6


def engine_angles(
    values: NDArray[np.float64], how: Angles, unit: float, where: str
) -> tuple[NDArray[np.float64], list[int], list[str]]:
    """Angles in radians, the indices of the views to keep, and warnings.

    `unit` is what one of `values` is in radians. Several turns are wrapped into one, and views repeated at one angle
    are left out.

    Raises:
        ValueError: angles that are not finite, or that look like degrees given as radians.
    """
    if not np.isfinite(values).all():
        raise ValueError(f"{where}.angles: every view angle must be finite")
    span = float(np.ptp(values))
    warnings = []
    if unit == 1.0 and span > 2.0 * FULL_TURN:
        raise ValueError(f"{where}.angles: a span of {span:g} rad is {span / FULL_TURN:.3g} turns: are they degrees?")
    if unit == DEGREE and values.size > 16 and span < 1.01 * FULL_TURN:
        warnings.append(f"the angles span only {span:g} degrees: were they given in radians?")
    angles = (how.sense * values + how.start) * unit
    if float(np.ptp(angles)) > FULL_TURN * (1.0 + 1e-9):
        warnings.append("the angles span more than one turn and were wrapped into one")
        angles = angles % FULL_TURN
    else:
        angles = angles - FULL_TURN * np.floor(angles.min() / FULL_TURN + 1e-12)
    kept: list[int] = []
    order = np.argsort(angles % FULL_TURN, kind="stable")
    wrapped = (angles % FULL_TURN)[order]
    last = -np.inf
    for index, angle in zip(order, wrapped, strict=True):
        if angle - last >= SAME_VIEW and (not kept or wrapped[0] + FULL_TURN - angle >= SAME_VIEW):
            kept.append(int(index))
            last = float(angle)
    if len(kept) < values.size:
        warnings.append(f"{values.size - len(kept)} views repeat an angle and were left out")
    return angles, sorted(kept), warnings
