"""Sparse matrix times a block of slices."""

from __future__ import annotations

import numpy as np
from numba import prange
from numpy.typing import NDArray

from ..compiled import compiled

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]


@compiled(parallel=True)
def multiply(indptr: Int32, indices: Int32, values: Float32, x: Float32, out: Float32, shares: int) -> None:
    """`out = A x` for a CSR matrix and `x` `[column, slice]`; `shares` is the number of pieces of work."""
    rows, width = out.shape
    for share in prange(shares):
        total = np.empty(width, np.float32)
        for row in range(share * rows // shares, (share + 1) * rows // shares):
            k = indptr[row]
            end = indptr[row + 1]
            total[:] = 0.0
            # Eight coefficients at a time: the running sums are read and written once instead of eight times.
            while k + 7 < end:
                xa, xb, xc, xd = x[indices[k]], x[indices[k + 1]], x[indices[k + 2]], x[indices[k + 3]]
                xe, xf, xg, xh = x[indices[k + 4]], x[indices[k + 5]], x[indices[k + 6]], x[indices[k + 7]]
                a, b, c, d = values[k], values[k + 1], values[k + 2], values[k + 3]
                e, f, g, h = values[k + 4], values[k + 5], values[k + 6], values[k + 7]
                for s in range(width):
                    total[s] += a * xa[s] + b * xb[s] + c * xc[s] + d * xd[s]
                    total[s] += e * xe[s] + f * xf[s] + g * xg[s] + h * xh[s]
                k += 8
            while k < end:
                xa, a = x[indices[k]], values[k]
                for s in range(width):
                    total[s] += a * xa[s]
                k += 1
            out[row] = total
