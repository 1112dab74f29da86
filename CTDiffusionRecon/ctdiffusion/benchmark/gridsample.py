"""What a projector looks like in a few lines of torch: rays sampled by `grid_sample`. A yardstick for speed only."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..scan.beams import Geometry, Grid


class GridSampleProjector:
    """Samples every ray at steps of one voxel; the adjoint is autograd's. Views are done one by one."""

    def __init__(self, geometry: Geometry, grid: Grid, device: torch.device) -> None:
        self._geometry, self._grid, self._device = geometry, grid, device
        self._step = min(grid.spacing[1:])
        reach = grid.corner_radius
        count = 2 * math.ceil(reach / self._step) + 1
        self._along = (torch.arange(count, device=device) - count // 2) * self._step

    def forward(self, x: Tensor) -> Tensor:
        """Line integrals of `[slice, row, column]`."""
        volume = x[None] if self._geometry.is_stack else x[None, None]
        views = [self._view(volume, theta) for theta in self._geometry.angles]
        return torch.stack(views, dim=1 if self._geometry.is_stack else 0)

    def adjoint(self, y: Tensor) -> Tensor:
        """The transpose, view by view through autograd."""
        slices = y.shape[0] if self._geometry.is_stack else self._grid.shape[0]
        x = torch.zeros((slices, *self._grid.shape[1:]), device=self._device, requires_grad=True)
        total = torch.zeros_like(x)
        for view, theta in enumerate(self._geometry.angles):
            stack = self._geometry.is_stack
            with torch.enable_grad():
                projected = self._view(x[None] if stack else x[None, None], theta)
            total += torch.autograd.grad(projected, x, y[:, view] if stack else y[view])[0]
        return total.detach()

    def _view(self, volume: Tensor, theta: float) -> Tensor:
        origin, direction = self._rays(theta)
        place = origin[..., None, :] + self._along[:, None] * direction[..., None, :]
        # grid_sample wants -1 .. 1 from edge to edge.
        slices, rows, columns = self._grid.shape
        sizes = [columns * self._grid.spacing[2], rows * self._grid.spacing[1], slices * self._grid.spacing[0]]
        dimensions = place.shape[-1]
        centre = torch.tensor(self._grid.centre[:dimensions], device=self._device)
        place = (place - centre) * 2.0 / torch.tensor(sizes[:dimensions], device=self._device)
        if dimensions == 3:
            sampled = torch.nn.functional.grid_sample(volume, place[None], align_corners=False)[0, 0]
        else:
            sampled = torch.nn.functional.grid_sample(volume, place[None], align_corners=False)[0]
        return sampled.sum(dim=-1) * self._step

    def _rays(self, theta: float) -> tuple[Tensor, Tensor]:
        """The point of every ray that is nearest to the axis, and its direction."""
        geometry = self._geometry
        cos, sin = math.cos(theta), math.sin(theta)
        u = torch.tensor(geometry.column_positions(), device=self._device)[:, None]
        axis, beam = torch.tensor([cos, sin], device=self._device), torch.tensor([-sin, cos], device=self._device)
        if not geometry.divergent:
            return u * axis, beam.expand(len(u), 2)
        distance = geometry.source_to_detector
        if geometry.curved:
            ray = torch.cos(u / distance) * beam + torch.sin(u / distance) * axis
        else:
            ray = distance * beam + u * axis
        source = -geometry.source_to_isocentre * beam
        if not geometry.is_stack:
            v = torch.tensor(geometry.row_positions(), device=self._device)
            ray = torch.nn.functional.pad(ray, (0, 1)).expand(len(v), -1, -1).clone()
            ray[..., 2] = v[:, None]
            source = torch.nn.functional.pad(source, (0, 1))
        direction = ray / ray.norm(dim=-1, keepdim=True)
        nearest = source - (source * direction).sum(-1, keepdim=True) * direction
        return nearest, direction
