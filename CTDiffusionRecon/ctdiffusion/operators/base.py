"""What a projector is to the rest of the engine: forward, exact transpose, filtered back-projection."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from ..scan.beams import Geometry, Grid


class LinearOperator(ABC):
    """Maps attenuation volumes `[slice, row, column]` (1/mm) to line integrals (contract C3).

    Line integrals are `[slice, view, column]` for parallel and fan beams, where any number of slices is accepted, and
    `[view, row, column]` for a cone beam, where the volume must have the grid's slices. Results live on the device
    of the input, in float32.

    Attributes:
        geometry: the scan geometry.
        grid: the voxel grid.
        matched: true where `adjoint` is the exact transpose of `forward`.
        backend: name of the implementation, for provenance.
    """

    geometry: Geometry
    grid: Grid
    matched: bool = True
    backend: str

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Line integrals A x.

        Raises:
            ValueError: a shape that does not fit the grid.
        """

    @abstractmethod
    def adjoint(self, y: Tensor) -> Tensor:
        """Back-projection A' y, the transpose of `forward`.

        Raises:
            ValueError: a shape that does not fit the geometry.
        """

    @abstractmethod
    def fbp(self, y: Tensor, window: str = "ram-lak") -> Tensor:
        """Filtered back-projection (FDK for a cone beam), in 1/mm.

        `window` is one of ram-lak, shepp-logan, cosine, hamming, hann. Full, short and limited arcs and unequally
        spaced views are weighted by the geometry's own angles.
        """

    def norm(self, iterations: int = 12) -> float:
        """Largest singular value of A, by the power method on one slice (on the volume for a cone beam)."""
        slices = 1 if self.geometry.is_stack else self.grid.shape[0]
        x = torch.rand((slices, *self.grid.shape[1:]), generator=torch.Generator().manual_seed(0))
        value = 0.0
        for _ in range(iterations):
            x = self.adjoint(self.forward(x / x.norm()))
            value = float(x.norm())
        return float(value**0.5)
