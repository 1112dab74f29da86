"""Voxel-driven cone-beam back-projection of filtered projections."""

from __future__ import annotations

import math

import numpy as np
from numba import prange
from numpy.typing import NDArray

from ..compiled import compiled

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]


@compiled(parallel=True)
def backproject_cone(q: Float32, turn: Float64, scan: Float64, frame: Float64, out: Float32) -> None:
    """Sum `q` `[view, column, row]` over the views with the weight (D_so / U)^2, added to `out` `[row, column, slice]`.

    Arguments as in `kernels.cone`. A column of voxels falls on one place along u, so the detector is interpolated along
    u once for all its slices.
    """
    views, count, rows = q.shape
    slices = out.shape[2]
    for i in prange(out.shape[0]):
        y = frame[1] + i * frame[4]
        line = np.zeros(rows + 3, np.float32)
        for j in range(out.shape[1]):
            x = frame[0] + j * frame[3]
            for view in range(views):
                along = scan[0] - x * turn[1, view] + y * turn[0, view]
                scale = scan[1] / along
                position = ((x * turn[0, view] + y * turn[1, view]) * scale - scan[2]) / scan[3]
                if not -1.0 < position < count:
                    continue
                near = math.floor(position)
                weight = (scan[0] / along) ** 2
                far_weight = np.float32(weight * (position - near))
                near_weight = np.float32(weight * (1.0 - (position - near)))
                # Detector row of slice z: origin + growth * z.
                growth = frame[5] * scale / scan[5]
                origin = (frame[2] * scale - scan[4]) / scan[5]
                first = int(max(0.0, min(float(slices), math.floor((-1.0 - origin) / growth) + 1.0)))
                stop = int(max(float(first), min(float(slices), math.ceil((rows - origin) / growth))))
                low = max(0, math.floor(origin + growth * first))
                high = min(rows, math.floor(origin + growth * stop) + 2)
                for v in range(low, high):
                    line[v + 1] = 0.0
                if near >= 0:
                    for v in range(low, high):
                        line[v + 1] += near_weight * q[view, near, v]
                if near + 1 < count:
                    for v in range(low, high):
                        line[v + 1] += far_weight * q[view, near + 1, v]
                for z in range(first, stop):
                    place = origin + growth * z + 1.0
                    below = int(place)
                    part = np.float32(place - below)
                    out[i, j, z] += line[below] + part * (line[below + 1] - line[below])
