"""What every view and every ray counts for in filtered back-projection, from the geometry's own angles.

Nothing here assumes equal spacing or a full turn: a view counts for the angle it stands for, and a line that was
measured twice is shared smoothly between its two measurements (Noo, Defrise, Clackdoyle & Kudo 2002,
doi:10.1088/0031-9155/47/14/311), which generalises Parker's short-scan weights (doi:10.1118/1.595078) to any set of
arcs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..scan.beams import FULL_TURN, ConeBeam, FanBeam, Geometry
from ..scan.viewgaps import ViewGaps, unmeasured

Array = NDArray[np.float64]

# Widest transition (radians) over which views near the end of an arc fade in where their lines were measured twice.
FADE = math.radians(30.0)


@dataclass(frozen=True)
class Coverage:
    """How a set of views covers the circle of `period` radians.

    Attributes:
        period: pi where opposite views are the same (parallel beam), else 2 pi.
        steps: the angle in radians that every view stands for, in the order of the views.
        arcs: (start, length) of the covered arcs; empty where nothing is missing.
    """

    period: float
    steps: Array
    arcs: tuple[tuple[float, float], ...]

    def confidence(self, angle: Array) -> Array:
        """1 well inside a covered arc, falling smoothly to 0 at its ends and beyond."""
        if not self.arcs:
            return np.ones_like(angle)
        best = np.zeros_like(angle)
        for start, length in self.arcs:
            inside = np.mod(angle - start, self.period)
            depth = np.minimum(inside, length - inside) / min(FADE, 0.5 * length)
            best = np.maximum(best, np.sin(0.5 * math.pi * np.clip(depth, 0.0, 1.0)) ** 2)
        return best


def coverage(angles: tuple[float, ...], period: float = FULL_TURN, opposite: float | None = None) -> Coverage:
    """Coverage of the circle by views at `angles` (radians, any order, any spacing).

    Every view stands for half the gap to either neighbour; at a missing arc for half the usual step beside it.

    Args:
        angles: the views.
        period: pi where opposite views are the same, else 2 pi.
        opposite: half fan angle in radians up to which opposite views see the same lines; None where they do not.
    """
    found = ViewGaps.between(angles, period)
    missing = unmeasured(found, angles, opposite)
    before, after = 0.5 * np.where(missing, found.beside, found.gap)
    share = (before + np.roll(after, 1)) / np.bincount(found.group)
    return Coverage(period, share[found.group], _arcs(found, missing))


def missing_directions(geometry: Geometry) -> float:
    """Angle in radians, of half a turn, from which no view was taken; 0 for sparse views without a missing arc.

    A parallel beam's lines of one direction are seen from either end, so view angles count modulo pi. For fan and cone
    beams that is the direction of the central ray.
    """
    found = ViewGaps.between(geometry.angles, math.pi)
    return float(found.hole[found.outstanding & (found.gap > found.recurring())].sum())


def _arcs(found: ViewGaps, missing: NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
    """(start, length) from each missing arc to the next, half a step more on either side."""
    ends = np.flatnonzero(missing)
    arcs = []
    for previous, end in zip(np.roll(ends, 1), ends, strict=True):
        first = (previous + 1) % len(found.position)
        before, after = 0.5 * found.beside[1, previous], 0.5 * found.beside[0, end]
        length = np.mod(found.position[end] - found.position[first], found.period) + before + after
        arcs.append((float(found.position[first] - before), float(length)))
    return tuple(arcs)


@dataclass(frozen=True)
class Aperture:
    """The fan angles (or distances from the axis, for parallel beams) that the detector covers: low < 0 < high."""

    low: float
    high: float

    def confidence(self, position: Array) -> Array:
        """1 inside, 0 outside; on the short side of an offset detector the edge fades over the overlap.

        A detector that is offset by much (half-fan) sees the outer lines from one side only; with the fade, which is
        then as wide as the overlap, a full turn gets the weights of Wang (2002, doi:10.1118/1.1489043).
        """
        inside = ((position >= self.low) & (position <= self.high)).astype(np.float64)
        short = min(-self.low, self.high)
        fade = min(2.0 * short, 4.0 * abs(self.high + self.low))
        if short <= 0.0 or fade <= 1e-9 * short:
            return inside
        depth = position - self.low if -self.low < self.high else self.high - position
        faded: Array = inside * np.sin(0.5 * math.pi * np.clip(depth / fade, 0.0, 1.0)) ** 2
        return faded


def share(covered: Coverage, aperture: Aperture, beta: Array, gamma: Array) -> Array:
    """What the ray (beta, gamma) contributes to its line; the shares of a line measured twice sum to 1.

    The same line is seen from beta + pi - 2 gamma under -gamma.
    """
    own = covered.confidence(beta) * aperture.confidence(gamma)
    other = covered.confidence(beta + math.pi - 2.0 * gamma) * aperture.confidence(-gamma)
    total = own + other
    return np.divide(own, total, out=np.ones_like(total), where=total > 0.0)


def fan_angles(geometry: FanBeam | ConeBeam, positions: Array) -> Array:
    """Fan angle in radians of detector positions in mm along u."""
    ratio = positions / geometry.source_to_detector
    return ratio if geometry.curved else np.arctan(ratio)


def ray_weights(geometry: Geometry) -> Array:
    """Quadrature weight of every ray `[view, column]` in radians: its view's step times its share of its line."""
    half = 0.5 * geometry.column_spacing
    positions = np.asarray(geometry.column_positions())
    beta = np.asarray(geometry.angles)[:, None]
    edges = np.array([positions[0] - half, positions[-1] + half])
    if not geometry.divergent:
        whole = coverage(geometry.angles)
        # More than a quarter offset, whose opposite views interleave: the outer lines are seen from one side only.
        offset = abs(edges[0] + edges[1]) > 2.0 * geometry.column_spacing
        if whole.arcs or not offset:
            # Opposite views are the same lines: count them together on half a turn.
            steps = coverage(geometry.angles, math.pi).steps
            return np.repeat(steps[:, None], geometry.columns, axis=1)
        aperture = Aperture(edges[0], edges[1])
        own, other = aperture.confidence(positions), aperture.confidence(-positions)
        return whole.steps[:, None] * (own / (own + other))[None, :]
    low, high = fan_angles(geometry, edges)
    # The outer lines of a detector that is offset by more than a quarter column each way have no opposite view.
    both = abs(edges[0] + edges[1]) <= 2.0 * geometry.column_spacing
    covered = coverage(geometry.angles, opposite=max(-low, high) if both else None)
    gamma = fan_angles(geometry, positions)[None, :]
    beta, gamma = np.broadcast_arrays(beta, gamma)
    return covered.steps[:, None] * share(covered, Aperture(low, high), beta, gamma)
