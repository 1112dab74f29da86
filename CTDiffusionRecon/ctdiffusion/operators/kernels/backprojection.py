"""Pixel-driven back-projection of filtered projections."""

from __future__ import annotations

import math

import numpy as np
from numba import prange
from numpy.typing import NDArray

from ..compiled import compiled

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]


@compiled(parallel=True)
def backproject_slices(
    q: Float32, turn: Float64, kind: int, scan: Float64, frame: Float64, columns: int, out: Float32
) -> None:
    """Sum `q` `[view, column, slice]` over the views into `out` `[pixel, slice]`.

    `turn`: cosines and sines of the views. `kind`: 0 parallel, 1 flat fan, 2 curved fan. `scan`: source to isocentre,
    source to detector, position of the first column, column spacing. `frame`: see `kernels.joseph`.
    """
    views, count, width = q.shape
    source, detector, first, spacing = scan
    for row in prange(out.shape[0] // columns):
        y = frame[1] + row * frame[3]
        for column in range(columns):
            x = frame[0] + column * frame[2]
            pixel = row * columns + column
            for s in range(width):
                out[pixel, s] = 0.0
            for view in range(views):
                u = x * turn[0, view] + y * turn[1, view]
                weight = 1.0
                if kind > 0:
                    along = source - x * turn[1, view] + y * turn[0, view]
                    if kind == 1:
                        weight = (source / along) ** 2
                        u = detector * u / along
                    else:
                        weight = 1.0 / (along * along + u * u)
                        u = detector * math.atan2(u, along)
                position = (u - first) / spacing
                near = math.floor(position)
                part = position - near
                near_weight = np.float32(weight * (1.0 - part))
                far_weight = np.float32(weight * part)
                if near >= 0 and near + 1 < count:
                    for s in range(width):
                        out[pixel, s] += near_weight * q[view, near, s] + far_weight * q[view, near + 1, s]
                elif near == count - 1:
                    for s in range(width):
                        out[pixel, s] += near_weight * q[view, near, s]
                elif near == -1:
                    for s in range(width):
                        out[pixel, s] += far_weight * q[view, 0, s]
