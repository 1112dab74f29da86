"""The Joseph projector of a slice as a sparse matrix, with its transpose as a second one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..scan.beams import Grid
from .compiled import has_numba
from .rays import Rays

# int32 + float32, for the matrix and for its transpose.
BYTES_PER_ENTRY = 16
# What int32 indices reach.
MOST_ENTRIES = 2**31


@dataclass(frozen=True)
class SparseMatrix:
    """A matrix in compressed-row form, columns sorted in every row; int32 indices."""

    indptr: NDArray[np.int32]
    indices: NDArray[np.int32]
    values: NDArray[np.floating]
    shape: tuple[int, int]


def frame_of(grid: Grid) -> NDArray[np.float64]:
    """World x of column 0, world y of row 0, column spacing, row spacing, in mm."""
    _, rows, columns = grid.shape
    _, dy, dx = grid.spacing
    x, y, _ = grid.centre
    return np.array([x - 0.5 * (columns - 1) * dx, y - 0.5 * (rows - 1) * dy, dx, dy])


def stacked(rays: Rays) -> NDArray[np.float64]:
    """The rays as one array `[4, ray]` for the kernels."""
    return np.stack([rays.x, rays.y, rays.dx, rays.dy])


def entries(rays: Rays, grid: Grid) -> int:
    """Number of coefficients of the matrix."""
    if has_numba():
        from .kernels import joseph as kernels

        return int(kernels.count(stacked(rays), frame_of(grid), grid.shape[1], grid.shape[2]).sum())
    return sum(block[0].size for block in _blocks(rays, grid))


def joseph_matrices(
    rays: Rays, grid: Grid, dtype: type[np.floating] = np.float32
) -> tuple[SparseMatrix, SparseMatrix]:
    """A `[ray, pixel]` and its transpose `[pixel, ray]`; coefficients in mm (Joseph 1982).

    Raises:
        ValueError: more than 2^31 coefficients, too many for int32 indices.
    """
    from scipy import sparse

    _, rows, columns = grid.shape
    shape = (len(rays), rows * columns)
    if has_numba():
        from .kernels import joseph as kernels

        indptr = np.zeros(shape[0] + 1, np.int64)
        np.cumsum(kernels.count(stacked(rays), frame_of(grid), rows, columns), out=indptr[1:])
        _check_size(int(indptr[-1]))
        indices = np.empty(indptr[-1], np.int32)
        values = np.empty(indptr[-1], np.float64)
        kernels.fill(stacked(rays), frame_of(grid), rows, columns, indptr, indices, values)
        matrix = sparse.csr_matrix((values.astype(dtype), indices, indptr.astype(np.int32)), shape=shape)
    else:
        none = (np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0))
        ray, pixel, weight = (np.concatenate(parts) for parts in zip(none, *_blocks(rays, grid), strict=True))
        _check_size(ray.size)
        matrix = sparse.csr_matrix((weight.astype(dtype), (ray, pixel)), shape=shape)
    matrix.sort_indices()
    transpose = matrix.T.tocsr()
    transpose.sort_indices()
    return _of_scipy(matrix), _of_scipy(transpose)


def _check_size(number: int) -> None:
    if number >= MOST_ENTRIES:
        raise ValueError(f"the projection matrix would have {number} coefficients; use backend 'matrixfree'")


def _of_scipy(matrix: object) -> SparseMatrix:
    return SparseMatrix(
        indptr=matrix.indptr.astype(np.int32),  # type: ignore[attr-defined]
        indices=matrix.indices.astype(np.int32),  # type: ignore[attr-defined]
        values=matrix.data,  # type: ignore[attr-defined]
        shape=matrix.shape,  # type: ignore[attr-defined]
    )


def _blocks(
    rays: Rays, grid: Grid, size: int = 4096
) -> list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]]:
    """(ray, pixel, weight) in blocks of rays, without numba."""
    return [
        block
        for first in range(0, len(rays), size)
        for by_rows in (True, False)
        for block in [_trace(rays, grid, np.arange(first, min(first + size, len(rays))), by_rows)]
        if block[0].size
    ]


def _trace(
    rays: Rays, grid: Grid, chosen: NDArray[np.int64], by_rows: bool
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    x0, y0, sx, sy = frame_of(grid)
    _, rows, columns = grid.shape
    along_columns, along_rows = rays.dx[chosen] / sx, rays.dy[chosen] / sy
    keep = (np.abs(along_rows) >= np.abs(along_columns)) == by_rows
    chosen, along_columns, along_rows = chosen[keep], along_columns[keep], along_rows[keep]
    column, row = (rays.x[chosen] - x0) / sx, (rays.y[chosen] - y0) / sy
    if by_rows:
        steps, across = rows, columns
        slope, length = along_columns / along_rows, 1.0 / np.abs(along_rows)
        start = column - row * slope
    else:
        steps, across = columns, rows
        slope, length = along_rows / along_columns, 1.0 / np.abs(along_columns)
        start = row - column * slope
    step = np.arange(steps)[None, :]
    position = start[:, None] + slope[:, None] * step
    near = np.floor(position)
    part = position - near
    parts = []
    for side in (0, 1):
        pixel = (near + side).astype(np.int64)
        inside = (pixel >= 0) & (pixel < across)
        weight = length[:, None] * (part if side else 1.0 - part)
        flat = step * columns + pixel if by_rows else pixel * columns + step
        ray = np.broadcast_to(chosen[:, None], inside.shape)
        parts.append((ray[inside], flat[inside], weight[inside]))
    ray, flat, weight = (np.concatenate(p) for p in zip(*parts, strict=True))
    return ray.astype(np.int32), flat.astype(np.int32), weight
