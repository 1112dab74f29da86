"""The operator for circular cone beams, and what its back ends have to offer."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..scan.beams import ConeBeam, Grid
from .base import LinearOperator
from .fdk import fdk
from .joseph import frame_of
from .shapes import check_projections, check_volume


class ConeProjector(Protocol):
    """A cone-beam projector on `device`, in float32.

    Attributes:
        name: name of the back end.
        device: where `apply` and `transpose` want their input.
        matched: whether `transpose` is the exact transpose of `apply`.
    """

    name: str
    device: torch.device
    matched: bool

    def apply(self, x: Tensor) -> Tensor:
        """A x: `[slice, row, column]` to `[view, row, column]`."""

    def transpose(self, y: Tensor) -> Tensor:
        """A' y: `[view, row, column]` to `[slice, row, column]`."""


class ConeOperator(LinearOperator):
    """Projects volumes with one of the cone projectors; filtered back-projection is FDK."""

    geometry: ConeBeam

    def __init__(self, geometry: ConeBeam, grid: Grid, projector: ConeProjector) -> None:
        self.geometry, self.grid = geometry, grid
        self.backend, self.matched = projector.name, projector.matched
        self._projector = projector

    def forward(self, x: Tensor) -> Tensor:
        check_volume(x, self.geometry, self.grid)
        return self._projector.apply(x.detach().to(self._projector.device, torch.float32)).to(x.device)

    def adjoint(self, y: Tensor) -> Tensor:
        check_projections(y, self.geometry)
        return self._projector.transpose(y.detach().to(self._projector.device, torch.float32)).to(y.device)

    def fbp(self, y: Tensor, window: str = "ram-lak") -> Tensor:
        check_projections(y, self.geometry)
        return fdk(y, self.geometry, self.grid, window)


def cone_frame(grid: Grid) -> NDArray[np.float64]:
    """World x of column 0, y of row 0, z of slice 0, then column, row and slice spacing, in mm."""
    x, y, dx, dy = frame_of(grid)
    z = grid.centre[2] - 0.5 * (grid.shape[0] - 1) * grid.spacing[0]
    return np.array([x, y, z, dx, dy, grid.spacing[0]])


def cone_scan(geometry: ConeBeam) -> NDArray[np.float64]:
    """Source to isocentre, source to detector, first column, column spacing, first row, row spacing, in mm."""
    return np.array(
        [
            geometry.source_to_isocentre,
            geometry.source_to_detector,
            geometry.column_positions()[0],
            geometry.column_spacing,
            geometry.row_positions()[0],
            geometry.row_spacing,
        ]
    )


def cone_turn(geometry: ConeBeam) -> NDArray[np.float64]:
    """Cosines and sines of the view angles `[2, view]`."""
    theta = np.asarray(geometry.angles)
    return np.stack([np.cos(theta), np.sin(theta)])


def obliquity(geometry: ConeBeam) -> Tensor:
    """Length of every ray over the length of its projection on the slice plane, `[row, column]`, float32."""
    u = torch.tensor(geometry.column_positions(), dtype=torch.float64)[None, :]
    v = torch.tensor(geometry.row_positions(), dtype=torch.float64)[:, None]
    return torch.sqrt(1.0 + v**2 / (geometry.source_to_detector**2 + u**2)).float()
