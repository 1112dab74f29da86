"""Cone-beam projector on CUDA through diffct (Apache-2.0), an optional library."""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from ..scan.beams import ConeBeam, Grid


def has_diffct() -> bool:
    """Whether diffct can be imported."""
    return find_spec("diffct") is not None


class DiffctCone:
    """diffct's Siddon projector, exactly matched. On a CPU it works, too, but is meant for tests only.

    Raises:
        ValueError: diffct is not installed.
    """

    name = "diffct"
    matched = True

    def __init__(self, geometry: ConeBeam, grid: Grid, device: torch.device) -> None:
        if not has_diffct():
            raise ValueError("backend: 'diffct' needs diffct, which is not installed (pip install 'diffct[cu12]')")
        import diffct

        self.device = device
        self._projector: Any = diffct.Projector(
            trajectory(geometry, grid),
            volume_shape=tuple(grid.shape),
            detector_shape=(geometry.columns, geometry.rows),
            beam="cone",
            detector_spacing=(geometry.column_spacing, geometry.row_spacing),
            voxel_spacing=tuple(grid.spacing),
        )

    def apply(self, x: Tensor) -> Tensor:
        projected: Tensor = self._projector.project(x.contiguous())
        return projected.transpose(1, 2).contiguous()

    def transpose(self, y: Tensor) -> Tensor:
        volume: Tensor = self._projector.backproject(y.transpose(1, 2).contiguous())
        return volume


def trajectory(geometry: ConeBeam, grid: Grid) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sources, detector centres, u axes and v axes `[view, (x, y, z)]` in mm about the grid's centre, float64."""
    rest = geometry.source_to_detector - geometry.source_to_isocentre
    centre = torch.tensor(grid.centre, dtype=torch.float64)
    cos = torch.tensor([math.cos(a) for a in geometry.angles], dtype=torch.float64)
    sin = torch.tensor([math.sin(a) for a in geometry.angles], dtype=torch.float64)
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    along = torch.stack([-sin, cos, zero], dim=1)
    u, v = torch.stack([cos, sin, zero], dim=1), torch.stack([zero, zero, one], dim=1)
    source = -geometry.source_to_isocentre * along - centre
    detector = rest * along + geometry.column_offset * u + geometry.row_offset * v - centre
    return source, detector, u, v
