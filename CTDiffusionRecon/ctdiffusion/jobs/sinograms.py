"""Projections as images: what was measured, and what a result leaves unexplained of it."""

from __future__ import annotations

import math

import torch

from ..images.orientation import to_lps
from ..images.volume import Volume
from ..operators.base import LinearOperator
from ..scan.projections import Projections

PROJECTIONS_FILE = "projections.nrrd"
RESIDUAL_FILE = "residual.nrrd"


def sinogram_volumes(projections: Projections, operator: LinearOperator, result: Volume) -> dict[str, Volume]:
    """The line integrals y and the residual A x - y, by the name of the file they belong into.

    Both keep the axes of `projections.data`. Their "spacing" and "origin" are mm on the detector along columns and
    rows, mm along slices, and degrees along views (the mean step). Dead detector pixels have a residual of zero.

    Args:
        projections: the measurement, on the CPU.
        operator: the projector that `result` was made with.
        result: reconstruction in HU.
    """
    result, _ = to_lps(result)
    mu = projections.scale.to_mu(torch.from_numpy(result.array))
    with torch.no_grad():
        residual = operator.forward(mu).to("cpu", torch.float32) - projections.data
    if projections.variance is not None:
        live = torch.isfinite(projections.variance) & (projections.variance > 0)
        residual = torch.where(live, residual, torch.zeros_like(residual))
    spacing, origin = _axes(projections, result)
    return {
        PROJECTIONS_FILE: Volume(projections.data.to("cpu", torch.float32).numpy(), spacing, origin),
        RESIDUAL_FILE: Volume(residual.numpy(), spacing, origin),
    }


def _axes(projections: Projections, result: Volume) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Spacing and origin, (x, y, z) = (last, middle, first axis) of the data."""
    geometry = projections.geometry
    angles = geometry.angles
    step = math.degrees(max(angles) - min(angles)) / (len(angles) - 1) if len(angles) > 1 else 1.0
    first = math.degrees(angles[0])
    column = geometry.column_positions()[0]
    if geometry.is_stack:
        return (geometry.column_spacing, step, result.spacing[2]), (column, first, 0.0)
    return (geometry.column_spacing, geometry.row_spacing, step), (column, geometry.row_positions()[0], first)
