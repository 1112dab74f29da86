"""Filtered back-projection for parallel beams and for fans with flat or curved detectors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..scan.beams import FanBeam, Grid, ParallelBeam
from .angular import fan_angles, ray_weights
from .backprojection import backproject
from .filters import ramp_filter
from .offset import centred


def fbp(y: Tensor, geometry: ParallelBeam | FanBeam, grid: Grid, window: str = "ram-lak") -> Tensor:
    """Reconstruct line integrals `[slice, view, column]` to attenuation `[slice, row, column]` in 1/mm.

    Parallel: Kak & Slaney 1988, section 3.3; curved (equiangular) fan: 3.4.1; flat (equispaced) fan: 3.4.2. Every ray
    is weighted by `ray_weights`, so full, short, limited and unequally spaced scans take the same path.

    Raises:
        ValueError: unknown window.
    """
    y = y.detach().to(torch.float32)
    spacing, equiangular = geometry.column_spacing, False
    weights = torch.from_numpy(ray_weights(geometry))
    if geometry.divergent:
        gamma = torch.from_numpy(fan_angles(geometry, np.asarray(geometry.column_positions())))
        weights = weights * torch.cos(gamma)
        equiangular = geometry.curved
        if equiangular:
            spacing = geometry.column_spacing / geometry.source_to_detector
            weights = weights * geometry.source_to_isocentre
        else:
            # The flat detector is scaled to the isocentre.
            spacing = geometry.pitch
    weighted, geometry = centred(y * weights.to(y), geometry)
    return backproject(ramp_filter(weighted, spacing, window, equiangular), geometry, grid)
