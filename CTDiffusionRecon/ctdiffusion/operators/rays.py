"""Rays of a two-dimensional geometry, so that parallel, flat and curved fans need only one projector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..scan.beams import FanBeam, ParallelBeam

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rays:
    """Lines in the slice plane, in mm, views outermost: ray `view * columns + column`.

    Attributes:
        x, y: a point on every ray (the source, for a fan).
        dx, dy: unit direction, from source to detector.
    """

    x: Array
    y: Array
    dx: Array
    dy: Array

    def __len__(self) -> int:
        return int(self.x.size)


def rays_of(geometry: ParallelBeam | FanBeam) -> Rays:
    """The rays of every view and detector column, in the world frame of `ctdiffusion.scan.beams`."""
    theta = np.asarray(geometry.angles, dtype=np.float64)[:, None]
    u = np.asarray(geometry.column_positions(), dtype=np.float64)[None, :]
    cos, sin = np.cos(theta), np.sin(theta)
    if not geometry.divergent:
        # s = x cos + y sin is the distance from the axis; the beam runs along (-sin, cos).
        return _flat(u * cos, u * sin, -sin + 0 * u, cos + 0 * u)
    # Along the central ray and along u, seen from the source.
    gamma = u / geometry.source_to_detector if geometry.curved else np.arctan(u / geometry.source_to_detector)
    dx = -np.cos(gamma) * sin + np.sin(gamma) * cos
    dy = np.cos(gamma) * cos + np.sin(gamma) * sin
    distance = geometry.source_to_isocentre
    return _flat(distance * sin + 0 * u, -distance * cos + 0 * u, dx, dy)


def _flat(x: Array, y: Array, dx: Array, dy: Array) -> Rays:
    return Rays(*(np.ascontiguousarray(a).reshape(-1) for a in (x, y, dx, dy)))
