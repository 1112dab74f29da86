"""Cone-beam projector in plain torch: slower, but on any device and without numba."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ..scan.beams import ConeBeam, Grid
from .cone import cone_frame, cone_scan, obliquity

# Numbers in the largest intermediate array of one block of detector columns.
BLOCK = 1 << 24


class TorchCone:
    """The same coefficients as `NumbaCone`, view by view with torch indexing; the transpose by differentiation."""

    name = "torch"
    matched = True

    def __init__(self, geometry: ConeBeam, grid: Grid, device: torch.device) -> None:
        self.device = device
        self._geometry, self._grid = geometry, grid
        self._scan, self._frame = cone_scan(geometry), cone_frame(grid)
        self._obliquity = obliquity(geometry).to(device)

    def apply(self, x: Tensor) -> Tensor:
        voxels = x.permute(1, 2, 0).contiguous()
        views = [self._view(voxels, theta) for theta in self._geometry.angles]
        return torch.stack(views).contiguous() * self._obliquity

    def transpose(self, y: Tensor) -> Tensor:
        slices, rows, columns = self._grid.shape
        voxels = torch.zeros(rows, columns, slices, device=self.device, requires_grad=True)
        total = torch.zeros_like(voxels)
        for view, theta in enumerate(self._geometry.angles):
            # `_view` is linear, so its vector-Jacobian product is the transpose, wherever it is evaluated.
            with torch.enable_grad():
                projected = self._view(voxels, theta)
            total += torch.autograd.grad(projected, voxels, y[view] * self._obliquity)[0]
        return total.detach().permute(2, 0, 1).contiguous()

    def _view(self, voxels: Tensor, theta: float) -> Tensor:
        """One view `[row, column]` of `voxels` `[row, column, slice]`, obliquity left out."""
        geometry, (image_rows, image_columns, slices) = self._geometry, voxels.shape
        source, detector, first_u, du, first_v, dv = self._scan
        x0, y0, z0, sx, sy, sz = self._frame
        u = first_u + du * np.arange(geometry.columns)
        dx = (-detector * math.sin(theta) + u * math.cos(theta)) / sx
        dy = (detector * math.cos(theta) + u * math.sin(theta)) / sy
        length = np.hypot(dx * sx, dy * sy)
        column, row = (source * math.sin(theta) - x0) / sx, (-source * math.cos(theta) - y0) / sy
        v = torch.tensor(first_v + dv * np.arange(geometry.rows), device=self.device, dtype=torch.float32)
        out = torch.zeros(geometry.columns, geometry.rows, device=self.device)
        # Zeros all round: neighbours outside the volume then add nothing.
        padded = torch.nn.functional.pad(voxels, (1, 1, 1, 1, 1, 1))
        for by_rows in (True, False):
            along, across = (dy, dx) if by_rows else (dx, dy)
            begin, aside = (row, column) if by_rows else (column, row)
            steps, width = (image_rows, image_columns) if by_rows else (image_columns, image_rows)
            chosen = np.flatnonzero((np.abs(dy) >= np.abs(dx)) == by_rows)
            block = max(1, BLOCK // (steps * max(geometry.rows, slices)))
            for part in (chosen[i : i + block] for i in range(0, len(chosen), block)):
                step = np.arange(steps)[None, :]
                fraction = (step - begin) / along[part, None]
                position = aside + across[part, None] * fraction
                seen = (position > -1.0) & (position < width) & (fraction > 0.0)
                position = np.where(seen, position, -1.0)
                near = np.floor(position)
                weight = self._tensor(np.where(seen, (length[part] / np.abs(along[part]))[:, None], 0.0))
                line = self._line(padded, by_rows, step, near.astype(np.int64), self._tensor(position - near))
                place = (self._tensor(fraction / sz)[..., None] * v - z0 / sz + 1.0).clamp(0.0, slices + 1.0)
                below = place.detach().floor().clamp(max=slices).long()
                value = torch.lerp(line.gather(2, below), line.gather(2, below + 1), place - below)
                out = out.index_add(
                    0, torch.as_tensor(part, device=self.device), (value * weight[..., None]).sum(1)
                )
        return out.t()

    def _line(self, padded: Tensor, by_rows: bool, step: np.ndarray, near: np.ndarray, part: Tensor) -> Tensor:
        """Columns of voxels interpolated across the track, `[detector column, step, slice + 2]`."""
        steps = torch.as_tensor(np.broadcast_to(step + 1, near.shape).copy(), device=self.device)
        low = torch.as_tensor(near + 1, device=self.device)
        if by_rows:
            return torch.lerp(padded[steps, low], padded[steps, low + 1], part[..., None])
        return torch.lerp(padded[low, steps], padded[low + 1, steps], part[..., None])

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.as_tensor(values, device=self.device, dtype=torch.float32)
