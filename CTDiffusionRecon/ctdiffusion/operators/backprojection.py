"""Pixel-driven back-projection with linear interpolation, as filtered back-projection needs it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..scan.beams import FanBeam, Grid, ParallelBeam
from .compiled import has_numba
from .joseph import frame_of

PARALLEL, FLAT, CURVED = 0, 1, 2


def backproject(q: Tensor, geometry: ParallelBeam | FanBeam, grid: Grid) -> Tensor:
    """Sum filtered projections `[slice, view, column]` over the views to `[slice, row, column]`.

    Fans get the distance weight (D_so / U)^2 (flat detector) or 1 / L^2 (curved), Kak & Slaney 1988, section 3.4.
    """
    if q.device.type == "cpu" and has_numba():
        return _with_numba(q, geometry, grid)
    return _with_torch(q, geometry, grid)


def _with_numba(q: Tensor, geometry: ParallelBeam | FanBeam, grid: Grid) -> Tensor:
    from .kernels.backprojection import backproject_slices

    slices, rows, columns = q.shape[0], grid.shape[1], grid.shape[2]
    theta = np.asarray(geometry.angles)
    kind, source, detector = PARALLEL, 0.0, 0.0
    if geometry.divergent:
        kind = CURVED if geometry.curved else FLAT
        source, detector = geometry.source_to_isocentre, geometry.source_to_detector
    first = geometry.column_positions()[0]
    out = np.empty((rows * columns, slices), np.float32)
    backproject_slices(
        q.permute(1, 2, 0).contiguous().numpy(),
        np.stack([np.cos(theta), np.sin(theta)]),
        kind,
        np.array([source, detector, first, geometry.column_spacing]),
        frame_of(grid),
        columns,
        out,
    )
    return torch.from_numpy(out).t().contiguous().reshape(slices, rows, columns)


def _with_torch(q: Tensor, geometry: ParallelBeam | FanBeam, grid: Grid) -> Tensor:
    slices, rows, columns = q.shape[0], grid.shape[1], grid.shape[2]
    x0, y0, dx, dy = frame_of(grid)
    # MPS has no float64; positions then lose about 1e-5 of a column.
    real = torch.float32 if q.device.type == "mps" else torch.float64
    x = (x0 + dx * torch.arange(columns, device=q.device, dtype=real))[None, :]
    y = (y0 + dy * torch.arange(rows, device=q.device, dtype=real))[:, None]
    first, count = geometry.column_positions()[0], geometry.columns
    padded = torch.nn.functional.pad(q, (1, 1))
    out = torch.zeros(slices, rows * columns, device=q.device)
    for view, theta in enumerate(geometry.angles):
        cos, sin = float(np.cos(theta)), float(np.sin(theta))
        u = x * cos + y * sin
        weight = torch.ones_like(u)
        if geometry.divergent:
            source, along = geometry.source_to_isocentre, geometry.source_to_isocentre - x * sin + y * cos
            if geometry.curved:
                weight = 1.0 / (along**2 + u**2)
                u = geometry.source_to_detector * torch.atan2(u, along)
            else:
                weight = (source / along) ** 2
                u = geometry.source_to_detector * u / along
        # One column of zeros stands on either side, so that everything outside the detector adds nothing.
        position = ((u - first) / geometry.column_spacing + 1.0).clamp(0.0, count + 1.0).reshape(-1)
        near = position.floor().clamp(max=count).long()
        part = (position - near).to(q.dtype)
        row = padded[:, view]
        out += torch.lerp(row[:, near], row[:, near + 1], part) * weight.reshape(-1).to(q.dtype)
    return out.reshape(slices, rows, columns)
