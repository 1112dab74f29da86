"""Joseph's ray tracing in a slice: the coefficients, and forward and adjoint without storing them.

A ray steps over pixel centres along the axis on which it advances fastest and interpolates linearly across
(Joseph 1982, doi:10.1109/TMI.1982.4307572). Pixels outside the image are dropped. All lengths in mm.

Argument `rays` is float64 `[4, ray]` (x, y, dx, dy); `frame` is float64 (x of column 0, y of row 0, column spacing, row
spacing). Images are `[row * columns + column, slice]`, projections `[ray, slice]`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange
from numpy.typing import NDArray

from ..compiled import compiled

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


@compiled()
def track(rays: Float64, ray: int, frame: Float64) -> tuple[bool, float, float, float]:
    """One ray in index units: (steps over rows?, position across at step 0, slope across per step, mm per step)."""
    column = (rays[0, ray] - frame[0]) / frame[2]
    row = (rays[1, ray] - frame[1]) / frame[3]
    along_columns = rays[2, ray] / frame[2]
    along_rows = rays[3, ray] / frame[3]
    if abs(along_rows) >= abs(along_columns):
        slope = along_columns / along_rows
        return True, column - row * slope, slope, 1.0 / abs(along_rows)
    slope = along_rows / along_columns
    return False, row - column * slope, slope, 1.0 / abs(along_columns)


@compiled()
def step_range(start: float, slope: float, across: int, first: int, stop: int) -> tuple[int, int]:
    """Steps within [first, stop) that can touch the image: those with -1 < start + slope * step < across."""
    if abs(slope) < 1e-9:
        inside = -1.0 < start + slope * first < across or -1.0 < start + slope * stop < across
        return (first, stop) if inside else (first, first)
    a = (-1.0 - start) / slope
    b = (across - start) / slope
    low, high = min(a, b), max(a, b)
    # One step of slack on either side: the bounds of every neighbour are checked again where it is used.
    begin = first if low < first else min(stop, int(low) - 1)
    end = stop if high > stop else max(first, int(high) + 2)
    return max(first, begin), min(stop, end)


@compiled(parallel=True)
def count(rays: Float64, frame: Float64, rows: int, columns: int) -> Int64:
    """Number of pixels that every ray touches."""
    total = np.zeros(rays.shape[1], np.int64)
    for ray in prange(rays.shape[1]):
        by_rows, start, slope, _ = track(rays, ray, frame)
        across = columns if by_rows else rows
        first, stop = step_range(start, slope, across, 0, rows if by_rows else columns)
        number = 0
        for step in range(first, stop):
            near = math.floor(start + slope * step)
            number += (0 <= near < across) + (0 <= near + 1 < across)
        total[ray] = number
    return total


@compiled(parallel=True)
def fill(
    rays: Float64, frame: Float64, rows: int, columns: int, indptr: Int64, indices: Int32, values: Float64
) -> None:
    """Pixels and weights of every ray, in the order of its steps."""
    for ray in prange(rays.shape[1]):
        by_rows, start, slope, length = track(rays, ray, frame)
        across = columns if by_rows else rows
        first, stop = step_range(start, slope, across, 0, rows if by_rows else columns)
        at = indptr[ray]
        for step in range(first, stop):
            position = start + slope * step
            near = math.floor(position)
            part = position - near
            for side in range(2):
                pixel = near + side
                if 0 <= pixel < across:
                    indices[at] = step * columns + pixel if by_rows else pixel * columns + step
                    values[at] = length * (part if side == 1 else 1.0 - part)
                    at += 1


@compiled(parallel=True)
def forward(rays: Float64, frame: Float64, rows: int, columns: int, image: Float32, out: Float32, band: int) -> None:
    """Line integrals of every slice, written to `out`.

    All rays go through `band` rows of the image (then columns) before the next ones, so that those stay in the cache.
    Every ray adds its steps in their order: the same bits for any `band` and number of threads.
    """
    width = image.shape[1]
    out[:] = 0.0
    for along_rows in (True, False):
        steps = rows if along_rows else columns
        across = columns if along_rows else rows
        stride = 1 if along_rows else columns
        for low in range(0, steps, band):
            high = min(steps, low + band)
            for ray in prange(rays.shape[1]):
                by_rows, start, slope, length = track(rays, ray, frame)
                if by_rows != along_rows:
                    continue
                first, stop = step_range(start, slope, across, low, high)
                for step in range(first, stop):
                    position = start + slope * step
                    near = math.floor(position)
                    part = position - near
                    pixel = step * columns + near if along_rows else near * columns + step
                    far_weight = np.float32(length * part)
                    near_weight = np.float32(length * (1.0 - part))
                    if near >= 0 and near + 1 < across:
                        for s in range(width):
                            out[ray, s] += near_weight * image[pixel, s] + far_weight * image[pixel + stride, s]
                    elif 0 <= near < across:
                        for s in range(width):
                            out[ray, s] += near_weight * image[pixel, s]
                    elif near == -1:
                        for s in range(width):
                            out[ray, s] += far_weight * image[pixel + stride, s]


@compiled(parallel=True)
def adjoint(
    rays: Float64, frame: Float64, rows: int, columns: int, data: Float32, out: Float32, bands: int
) -> None:
    """The exact transpose of `forward`, added to `out`, which must start at zero.

    Every one of `bands` pieces of work owns a band of image rows (then of columns), and all rays scatter into it in
    their order: no atomics, and the same bits for any number of bands and threads.
    """
    width = data.shape[1]
    for along_rows in (True, False):
        steps = rows if along_rows else columns
        across = columns if along_rows else rows
        stride = 1 if along_rows else columns
        for band in prange(bands):
            low = band * steps // bands
            high = (band + 1) * steps // bands
            for ray in range(rays.shape[1]):
                by_rows, start, slope, length = track(rays, ray, frame)
                if by_rows != along_rows:
                    continue
                first, stop = step_range(start, slope, across, low, high)
                for step in range(first, stop):
                    position = start + slope * step
                    near = math.floor(position)
                    part = position - near
                    pixel = step * columns + near if along_rows else near * columns + step
                    far_weight = np.float32(length * part)
                    near_weight = np.float32(length * (1.0 - part))
                    if 0 <= near < across:
                        for s in range(width):
                            out[pixel, s] += near_weight * data[ray, s]
                    if 0 <= near + 1 < across:
                        for s in range(width):
                            out[pixel + stride, s] += far_weight * data[ray, s]
