"""Sparse matrix times a block of slices."""

from __future__ import annotations

import numpy as np
from numba import prange
from numpy.typing import NDArray

from ..compiled import compiled

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]


@compiled(parallel=True)
def multiply(indptr: Int32, indices: Int32, values: Float32, x: Float32, out: Float32, band: int, shares: int) -> None:
    """`out = A x` for a CSR matrix with sorted columns and `x` `[column, slice]`.

    The columns of A are walked in bands of `band`, all rows of a thread's share inside, so that the rows of `x` which
    neighbouring rays have in common stay in the cache. `shares` is the number of pieces of work.
    """
    rows, width = out.shape
    for share in prange(shares):
        low = share * rows // shares
        high = (share + 1) * rows // shares
        position = indptr[low:high].copy()
        for row in range(low, high):
            for s in range(width):
                out[row, s] = 0.0
        start = 0
        while start < x.shape[0]:
            start += band
            for row in range(low, high):
                k = position[row - low]
                end = indptr[row + 1]
                # Four at a time: the running sums are read and written once instead of four times.
                while k + 3 < end and indices[k + 3] < start:
                    a, b, c, d = indices[k], indices[k + 1], indices[k + 2], indices[k + 3]
                    va, vb, vc, vd = values[k], values[k + 1], values[k + 2], values[k + 3]
                    for s in range(width):
                        out[row, s] += va * x[a, s] + vb * x[b, s] + vc * x[c, s] + vd * x[d, s]
                    k += 4
                while k < end and indices[k] < start:
                    a, va = indices[k], values[k]
                    for s in range(width):
                        out[row, s] += va * x[a, s]
                    k += 1
                position[row - low] = k
