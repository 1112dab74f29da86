"""The Joseph projector without a stored matrix, for problems whose matrix would not fit."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..scan.beams import FanBeam, Grid, ParallelBeam
from .compiled import pieces_of_work
from .joseph import frame_of, stacked
from .rays import rays_of


class MatrixFree:
    """Coefficients computed on the fly by numba kernels, the same as `NumbaSparse` stores. float32, CPU."""

    name = "matrixfree"
    device = torch.device("cpu")
    dtype = torch.float32

    def __init__(self, geometry: ParallelBeam | FanBeam, grid: Grid) -> None:
        self._rays = stacked(rays_of(geometry))
        self._frame = frame_of(grid)
        self._rows, self._columns = grid.shape[1:]

    def apply(self, x: Tensor) -> Tensor:
        from .kernels import joseph

        out = np.empty((self._rays.shape[1], x.shape[1]), np.float32)
        joseph.forward(self._rays, self._frame, self._rows, self._columns, x.numpy(), out)
        return torch.from_numpy(out)

    def transpose(self, y: Tensor) -> Tensor:
        from .kernels import joseph

        out = np.zeros((self._rows * self._columns, y.shape[1]), np.float32)
        joseph.adjoint(self._rays, self._frame, self._rows, self._columns, y.numpy(), out, pieces_of_work())
        return torch.from_numpy(out)
