"""Gaps between views on the circle: which of them are sampling, however coarse, and which are arcs nobody measured.

Views come as scanners and protocols give them: at two speeds, in clusters (one phase of breathing), at random, with
frames lost. So no number for the whole circle can decide: every gap is held against the spacing beside it, and then
against what leaving it out would cost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Views closer than this (radians) are one measurement taken twice.
SAME = 1e-6
# A gap this many times wider than the spacing on both of its sides stands out.
OUTSTANDING = 3.0
# Opposite views take over a gap only where no other gap is so many times wider than usual, among them and so far
# (radians) from its ends: weights rise over that distance, which irregular views would sample badly.
IRREGULAR, REGULAR_FOR = 2.1, math.radians(30.0)
# The spacing on one side of a gap is the upper quartile of so many gaps.
BESIDE, QUARTILE = 8, 0.75
# Holes up to this width (radians) are bridged where no opposite view saw their lines: water keeps its level, and the
# error is smaller than that of leaving them out (real scans: better at 19 degrees, worse at 30). Beyond, a scan is one
# of a limited angle.
BRIDGED = math.radians(20.0)
# Gaps of which so many on a circle are of a size are how the scan was sampled: in half a turn, in a whole one.
RECURRING_IN_HALF, RECURRING_IN_WHOLE = 3, 5


@dataclass(frozen=True)
class ViewGaps:
    """Views on the circle of `period` radians, and the gaps between them.

    Attributes:
        period: length of the circle.
        position: distinct places of views, increasing from 0 or more.
        group: index into `position` of every view, in the order of the views.
        gap: from every position to the next one round the circle.
        beside: usual gap `[before, after]` next to each of them.
        outstanding: the gaps that are much wider than the usual ones on both sides.
    """

    period: float
    position: Array
    group: NDArray[np.intp]
    gap: Array
    beside: Array
    outstanding: Flags

    @classmethod
    def between(cls, angles: Sequence[float], period: float) -> ViewGaps:
        """Views at `angles` in radians, at least one, in any order and of any spacing."""
        place = np.mod(np.asarray(angles, dtype=np.float64), period)
        place[period - place < SAME] = 0.0
        order = np.argsort(place, kind="stable")
        ordered = place[order]
        new = np.diff(ordered) > SAME
        position = ordered[np.concatenate([[True], new])]
        group = np.empty(len(place), dtype=np.intp)
        group[order] = np.concatenate([[0], np.cumsum(new)])
        gap = np.append(np.diff(position), position[0] + period - position[-1])
        beside = _beside(gap)
        return cls(period, position, group, gap, beside, gap > OUTSTANDING * beside.max(0))

    @property
    def hole(self) -> Array:
        """What of each gap lies farther from the views at its ends than half a usual step."""
        return np.asarray(self.gap - self.beside.mean(0))

    def recurring(self) -> float:
        """Width up to which an outstanding gap is one of many of its size; 0 where there are too few gaps."""
        many = RECURRING_IN_WHOLE if self.period > math.pi else RECURRING_IN_HALF
        return OUTSTANDING * float(np.sort(self.gap)[-many]) if len(self.gap) >= many else 0.0

    def touched(self, start: Array, length: Array, flagged: Flags) -> Flags:
        """Which of the arcs of `length` radians from `start` meet the hole of a flagged gap."""
        low = (self.position + 0.5 * self.beside[0])[flagged]
        high = low + self.hole[flagged]
        # Gaps do not overlap, so both ends increase; with a turn more on either side they hold every arc.
        low, high = (np.concatenate([ends - self.period, ends, ends + self.period]) for ends in (low, high))
        start = np.mod(start, self.period)
        met = np.searchsorted(low, start + length, "left") - np.searchsorted(high, start, "right")
        return np.asarray((met > 0) | (length >= self.period))

    def opposite(self, half_fan: float) -> Flags:
        """The outstanding gaps whose lines regular views measured from the opposite side."""
        irregular = self.gap > IRREGULAR * self.beside.max(0)
        start, gap = self.position[self.outstanding], self.gap[self.outstanding]
        beside = np.full_like(gap, REGULAR_FOR)
        # The ray at gamma of the view at beta is seen again from beta + pi - 2 gamma.
        seen = ~self.touched(start + math.pi - 2.0 * half_fan, gap + 4.0 * half_fan, irregular)
        seen &= ~self.touched(start - beside, beside, irregular) & ~self.touched(start + gap, beside, irregular)
        taken = np.zeros_like(self.outstanding)
        taken[self.outstanding] = seen
        return taken


def unmeasured(found: ViewGaps, angles: Sequence[float], opposite: float | None = None) -> Flags:
    """The gaps that are missing arcs, which nothing must fill.

    A gap that stands out is bridged by the views at its ends if it is one of many of its size, or if it is not wider
    than `BRIDGED` and its lines were not measured from the opposite side.

    Args:
        found: gaps on the whole turn, or on half of it for views that are the same from either end.
        angles: the views in radians.
        opposite: half fan angle in radians up to which opposite views see the same lines; None where they do not.
    """
    outstanding = found.outstanding
    if not outstanding.any():
        return outstanding
    many = max(found.recurring(), ViewGaps.between(angles, math.pi).recurring())
    left_out = found.hole > BRIDGED + SAME
    if opposite is not None:
        left_out |= found.opposite(opposite)
    return outstanding & (found.gap > many) & left_out


def whole_turn(angles: Sequence[float]) -> bool:
    """True where more than two views go round without a missing arc."""
    return len(angles) > 2 and not unmeasured(ViewGaps.between(angles, 2.0 * math.pi), angles).any()


def equally_spaced(angles: Sequence[float], count: int) -> list[int]:
    """Indices of `count` views that lie nearest, in the sum of squares, to equal steps from the first one.

    Args:
        angles: the views in radians.
        count: how many, from 1 to all of them.
    """
    wanted = np.asarray(angles, dtype=np.float64)
    if len(wanted) > 1 and (np.diff(wanted) < 0.0).all():
        wanted = -wanted
    wanted = wanted - wanted[0]
    found = ViewGaps.between(wanted.tolist(), 2.0 * math.pi)
    # A missing arc is as wide as a usual step there, so that no view is wanted within it.
    gap = np.where(unmeasured(found, wanted.tolist()), found.beside.mean(0), found.gap)
    place = np.concatenate([[0.0], np.cumsum(gap[:-1])])[found.group]
    order = np.lexsort((np.arange(len(place)), place))
    place = place[order]
    # Of two views equally far from a step, the earlier one.
    steps = (np.arange(count) / count - 1e-9) * float(gap.sum())
    cost = np.full(len(place), np.inf)
    cost[0] = 0.0
    before = np.zeros((count, len(place)), dtype=np.int32)
    index = np.arange(len(place))
    for k in range(1, count):
        least = np.minimum.accumulate(cost)
        chosen = np.maximum.accumulate(np.where(cost <= least, index, 0))
        before[k, 1:] = chosen[:-1]
        cost = np.concatenate([[np.inf], least[:-1]]) + (place - steps[k]) ** 2
    last = int(np.argmin(cost))
    taken = [last]
    for k in range(count - 1, 0, -1):
        last = int(before[k, last])
        taken.append(last)
    return [int(order[i]) for i in reversed(taken)]


def _beside(gap: Array) -> Array:
    """Upper quartile of the gaps `[before, after]` each gap, round the circle; of a lone gap itself."""
    count = len(gap)
    near = min(BESIDE, count - 1)
    if near == 0:
        return np.stack([gap, gap])
    place, step = np.arange(count)[:, None], np.arange(1, near + 1)[None, :]
    sides = np.stack([gap[(place - step) % count], gap[(place + step) % count]])
    return np.asarray(np.quantile(sides, QUARTILE, axis=2, method="lower"))
