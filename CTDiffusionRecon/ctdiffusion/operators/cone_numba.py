"""Cone-beam projector on the CPU: numba kernels, nothing stored."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..scan.beams import ConeBeam, Grid
from .compiled import pieces_of_work
from .cone import cone_frame, cone_scan, cone_turn, obliquity


class NumbaCone:
    """Joseph's method with z interpolated along the detector rows, and its exact transpose.

    The slice-plane axis on which a ray advances fastest is stepped over, whatever the ray does along z: meant for cone
    angles below 45 degrees.
    """

    name = "cone"
    device = torch.device("cpu")
    matched = True

    def __init__(self, geometry: ConeBeam, grid: Grid) -> None:
        self._geometry, self._grid = geometry, grid
        self._turn, self._scan, self._frame = cone_turn(geometry), cone_scan(geometry), cone_frame(grid)
        self._obliquity = obliquity(geometry)

    def apply(self, x: Tensor) -> Tensor:
        from .kernels import cone

        geometry = self._geometry
        out = np.empty((geometry.views, geometry.columns, geometry.rows), np.float32)
        cone.forward(self._turn, self._scan, self._frame, x.permute(1, 2, 0).contiguous().numpy(), out)
        return torch.from_numpy(out).permute(0, 2, 1).contiguous() * self._obliquity

    def transpose(self, y: Tensor) -> Tensor:
        from .kernels import cone

        slices, rows, columns = self._grid.shape
        out = np.zeros((rows, columns, slices), np.float32)
        data = (y * self._obliquity).permute(0, 2, 1).contiguous().numpy()
        cone.adjoint(self._turn, self._scan, self._frame, data, out, pieces_of_work())
        return torch.from_numpy(out).permute(2, 0, 1).contiguous()
