"""Feldkamp-Davis-Kress reconstruction of circular cone-beam scans."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..scan.beams import ConeBeam, Grid
from .angular import ray_weights
from .compiled import has_numba
from .filters import ramp_filter
from .offset import centred


def fdk(y: Tensor, geometry: ConeBeam, grid: Grid, window: str = "ram-lak") -> Tensor:
    """Reconstruct line integrals `[view, row, column]` to attenuation `[slice, row, column]` in 1/mm.

    Feldkamp, Davis & Kress 1984, doi:10.1364/JOSAA.1.000612: cosine weight, ramp filter along the detector rows,
    distance-weighted back-projection; short and partial scans by the fan weights of the central plane.

    Raises:
        ValueError: unknown window.
    """
    y = y.detach().to(torch.float32)
    distance = geometry.source_to_detector
    u = torch.tensor(geometry.column_positions(), dtype=torch.float64)[None, :]
    v = torch.tensor(geometry.row_positions(), dtype=torch.float64)[:, None]
    cosine = distance / torch.sqrt(distance**2 + u**2 + v**2)
    weights = torch.from_numpy(ray_weights(geometry))[:, None, :] * cosine
    weighted, geometry = centred(y * weights.to(y), geometry)
    q = ramp_filter(weighted, geometry.column_spacing / geometry.magnification, window)
    if q.device.type == "cpu" and has_numba():
        return _with_numba(q, geometry, grid)
    return _with_torch(q, geometry, grid)


def _with_numba(q: Tensor, geometry: ConeBeam, grid: Grid) -> Tensor:
    from .cone import cone_frame, cone_scan, cone_turn
    from .kernels.fdk import backproject_cone

    slices, rows, columns = grid.shape
    out = np.zeros((rows, columns, slices), np.float32)
    data = q.permute(0, 2, 1).contiguous().numpy()
    backproject_cone(data, cone_turn(geometry), cone_scan(geometry), cone_frame(grid), out)
    return torch.from_numpy(out).permute(2, 0, 1).contiguous()


def _with_torch(q: Tensor, geometry: ConeBeam, grid: Grid) -> Tensor:
    x, y, z = (_axis(n, s, c, q) for n, s, c in zip(grid.shape[::-1], grid.spacing[::-1], grid.centre, strict=True))
    x, y = x[None, :], y[:, None]
    first_u, first_v = geometry.column_positions()[0], geometry.row_positions()[0]
    # grid_sample wants -1 .. 1 from the first to the last sample; a detector of one column or row has no such scale.
    padded = torch.nn.functional.pad(q, (1, 1, 1, 1))
    out = torch.zeros(grid.shape, device=q.device)
    for view, theta in enumerate(geometry.angles):
        cos, sin = float(np.cos(theta)), float(np.sin(theta))
        along = geometry.source_to_isocentre - x * sin + y * cos
        scale = geometry.source_to_detector / along
        u = (((x * cos + y * sin) * scale - first_u) / geometry.column_spacing + 1.0) * 2.0 / (geometry.columns + 1)
        weight = (geometry.source_to_isocentre / along) ** 2
        for k in range(grid.shape[0]):
            v = ((z[k] * scale - first_v) / geometry.row_spacing + 1.0) * 2.0 / (geometry.rows + 1)
            where = torch.stack([u - 1.0, v - 1.0], dim=-1)[None]
            sampled = torch.nn.functional.grid_sample(padded[None, None, view], where, align_corners=True)
            out[k] += weight * sampled[0, 0]
    return out


def _axis(count: int, spacing: float, centre: float, like: Tensor) -> Tensor:
    return centre + spacing * (torch.arange(count, device=like.device, dtype=like.dtype) - 0.5 * (count - 1))
