"""Filtered back-projection for parallel beams and for fans with flat or curved detectors."""

from __future__ import annotations

import torch
from torch import Tensor

from ..geometry import FanBeam, Grid, ParallelBeam
from .angular import fan_angles, ray_weights
from .backprojection import backproject
from .filters import ramp_filter


def fbp(y: Tensor, geometry: ParallelBeam | FanBeam, grid: Grid, window: str = "ram-lak") -> Tensor:
    """Reconstruct line integrals `[slice, view, column]` to attenuation `[slice, row, column]` in 1/mm.

    Parallel: Kak & Slaney 1988, section 3.3; curved (equiangular) fan: 3.4.1; flat (equispaced) fan: 3.4.2. Every ray
    is weighted by `ray_weights`, so full, short, limited and unequally spaced scans take the same path.

    Raises:
        ValueError: unknown window.
    """
    y = y.detach().to(torch.float32)
    filtered = filtered_projections(y, geometry, window)
    return backproject(filtered, geometry, grid)


def filtered_projections(y: Tensor, geometry: ParallelBeam | FanBeam, window: str) -> Tensor:
    """Weighted and ramp-filtered projections, to be summed over views by `backproject`."""
    weights = torch.from_numpy(ray_weights(geometry))
    spacing, equiangular = geometry.column_spacing, False
    if isinstance(geometry, FanBeam):
        positions = torch.tensor(geometry.column_positions(), dtype=torch.float64)
        gamma = torch.from_numpy(fan_angles(geometry, positions.numpy()))
        equiangular = geometry.curved
        if equiangular:
            spacing = geometry.column_spacing / geometry.source_to_detector
            weights = weights * geometry.source_to_isocentre * torch.cos(gamma)
        else:
            # The flat detector is scaled to the isocentre.
            spacing = geometry.column_spacing * geometry.source_to_isocentre / geometry.source_to_detector
            weights = weights * torch.cos(gamma)
    return ramp_filter(y * weights.to(y), spacing, window, equiangular)
