"""Cone-beam ray tracing after Joseph: forward and its exact transpose.

Volumes are `[row, column, slice]`, projections `[view, column, row]`: the fast axis is z, respectively v. All rays of
one detector column share their track through the slice plane, along which z is linear in v; so a step interpolates two
columns of voxels across the track once and then serves every detector row.

`scan` is float64: source to isocentre, source to detector, first column, column spacing, first row, row spacing.
`frame` is float64: x of column 0, y of row 0, z of slice 0, column spacing, row spacing, slice spacing. `turn` holds
the cosines and sines of the views. Lengths in mm.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange
from numpy.typing import NDArray

from ..compiled import compiled

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]


@compiled()
def track(
    cos: float, sin: float, u: float, scan: Float64, frame: Float64
) -> tuple[bool, float, float, float, float, float]:
    """A detector column's path through the slice plane, in index units.

    Returns (steps over rows?, position across at step 0, slope across per step, mm per step in the plane, fraction of
    the way from source to detector at step 0, its growth per step).
    """
    dx = -scan[1] * sin + u * cos
    dy = scan[1] * cos + u * sin
    length = math.sqrt(dx * dx + dy * dy)
    column = (scan[0] * sin - frame[0]) / frame[3]
    row = (-scan[0] * cos - frame[1]) / frame[4]
    along_columns = dx / frame[3]
    along_rows = dy / frame[4]
    if abs(along_rows) >= abs(along_columns):
        slope = along_columns / along_rows
        return True, column - row * slope, slope, length / abs(along_rows), -row / along_rows, 1.0 / along_rows
    slope = along_rows / along_columns
    return False, row - column * slope, slope, length / abs(along_columns), -column / along_columns, 1.0 / along_columns


@compiled()
def rows_seen(origin: float, growth: float, slices: int, rows: int) -> tuple[int, int]:
    """Detector rows v with -1 < origin + growth * v < slices: those that touch the volume at this step (growth > 0)."""
    first = max(0.0, min(float(rows), math.floor((-1.0 - origin) / growth) + 1.0))
    stop = max(first, min(float(rows), math.ceil((slices - origin) / growth)))
    return int(first), int(stop)


@compiled(parallel=True)
def forward(turn: Float64, scan: Float64, frame: Float64, x: Float32, out: Float32) -> None:
    """Line integrals of `x` projected on the slice plane, written to `out`; the obliquity along z is left out."""
    image_rows, image_columns, slices = x.shape
    views, columns, rows = out.shape
    for job in prange(views * columns):
        view = job // columns
        k = job % columns
        u = scan[2] + k * scan[3]
        by_rows, start, slope, length, depth, advance = track(turn[0, view], turn[1, view], u, scan, frame)
        steps = image_rows if by_rows else image_columns
        across = image_columns if by_rows else image_rows
        total = np.zeros(rows, np.float32)
        # One voxel of zeros stands on either side of the interpolated column (and one more, against rounding).
        line = np.zeros(slices + 3, np.float32)
        for step in range(steps):
            position = start + slope * step
            fraction = depth + advance * step
            if not -1.0 < position < across or fraction <= 0.0:
                continue
            near = math.floor(position)
            far_weight = np.float32(position - near)
            near_weight = np.float32(1.0) - far_weight
            line[:] = 0.0
            if near >= 0:
                voxels = x[step, near] if by_rows else x[near, step]
                for z in range(slices):
                    line[z + 1] = near_weight * voxels[z]
            if near + 1 < across:
                voxels = x[step, near + 1] if by_rows else x[near + 1, step]
                for z in range(slices):
                    line[z + 1] += far_weight * voxels[z]
            growth = fraction * scan[5] / frame[5]
            origin = (fraction * scan[4] - frame[2]) / frame[5]
            first, stop = rows_seen(origin, growth, slices, rows)
            for v in range(first, stop):
                place = origin + growth * v + 1.0
                below = int(place)
                part = np.float32(place - below)
                total[v] += line[below] + part * (line[below + 1] - line[below])
        for v in range(rows):
            out[view, k, v] = total[v] * length


@compiled(parallel=True)
def adjoint(turn: Float64, scan: Float64, frame: Float64, y: Float32, out: Float32, bands: int) -> None:
    """The exact transpose of `forward`, added to `out`, which must start at zero.

    Each of `bands` pieces of work owns a band of image rows (then of columns) and visits all rays in their order: no
    atomics, and the same bits for any number of bands and threads.
    """
    image_rows, image_columns, slices = out.shape
    views, columns, rows = y.shape
    for along_rows in (True, False):
        steps = image_rows if along_rows else image_columns
        across = image_columns if along_rows else image_rows
        for band in prange(bands):
            line = np.zeros(slices + 3, np.float32)
            weighted = np.zeros(rows, np.float32)
            for job in range(views * columns):
                view = job // columns
                k = job % columns
                u = scan[2] + k * scan[3]
                by_rows, start, slope, length, depth, advance = track(turn[0, view], turn[1, view], u, scan, frame)
                if by_rows != along_rows:
                    continue
                for v in range(rows):
                    weighted[v] = y[view, k, v] * length
                for step in range(band * steps // bands, (band + 1) * steps // bands):
                    position = start + slope * step
                    fraction = depth + advance * step
                    if not -1.0 < position < across or fraction <= 0.0:
                        continue
                    near = math.floor(position)
                    far_weight = np.float32(position - near)
                    near_weight = np.float32(1.0) - far_weight
                    line[:] = 0.0
                    growth = fraction * scan[5] / frame[5]
                    origin = (fraction * scan[4] - frame[2]) / frame[5]
                    first, stop = rows_seen(origin, growth, slices, rows)
                    for v in range(first, stop):
                        place = origin + growth * v + 1.0
                        below = int(place)
                        part = np.float32(place - below)
                        line[below] += weighted[v] * (np.float32(1.0) - part)
                        line[below + 1] += weighted[v] * part
                    if near >= 0:
                        voxels = out[step, near] if along_rows else out[near, step]
                        for z in range(slices):
                            voxels[z] += near_weight * line[z + 1]
                    if near + 1 < across:
                        voxels = out[step, near + 1] if along_rows else out[near + 1, step]
                        for z in range(slices):
                            voxels[z] += far_weight * line[z + 1]
