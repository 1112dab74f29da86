"""A small projector held as a dense matrix, so that every answer can be had by linear algebra."""

from __future__ import annotations

import math

import torch
from ctdiffusion.operators.base import LinearOperator
from ctdiffusion.scan.beams import ConeBeam, Geometry, Grid, ParallelBeam, equispaced
from torch import Tensor


class DenseOperator(LinearOperator):
    """A matrix per slice (parallel beam), or one for the whole volume (cone beam)."""

    backend = "dense"

    def __init__(self, matrix: Tensor, geometry: Geometry, grid: Grid) -> None:
        self.matrix, self.geometry, self.grid = matrix, geometry, grid
        self.products = 0

    def forward(self, x: Tensor) -> Tensor:
        self.products += 1
        systems = x.shape[0] if self.geometry.is_stack else 1
        y = x.reshape(systems, -1).to(self.matrix.dtype) @ self.matrix.T
        return y.to(x.dtype).reshape(self.geometry.data_shape(x.shape[0]))

    def adjoint(self, y: Tensor) -> Tensor:
        systems = y.shape[0] if self.geometry.is_stack else 1
        x = y.reshape(systems, -1).to(self.matrix.dtype) @ self.matrix
        slices = systems if self.geometry.is_stack else self.grid.shape[0]
        return x.to(y.dtype).reshape(slices, *self.grid.shape[1:])

    def fbp(self, y: Tensor, window: str = "ram-lak") -> Tensor:
        return self.adjoint(y) / self.matrix.sum()


def stack_operator(
    views: int = 6, columns: int = 9, side: int = 6, spacing: float = 2.0, seed: int = 0
) -> DenseOperator:
    """Random sparse ray lengths in mm through slices of `side` x `side` voxels."""
    grid = Grid((1, side, side), (3.0, spacing, spacing))
    geometry = ParallelBeam(equispaced(views, math.pi), columns, spacing)
    return DenseOperator(_ray_lengths(views * columns, side * side, spacing, 0), geometry, grid)


def cone_operator() -> DenseOperator:
    """The same for a volume of 3 x 4 x 4 voxels seen as a whole."""
    grid = Grid((3, 4, 4), (2.0, 2.0, 2.0))
    geometry = ConeBeam(equispaced(5), 100.0, 150.0, 3, 6, 3.0, 3.0)
    return DenseOperator(_ray_lengths(5 * 3 * 6, 48, 2.0, 1), geometry, grid)


def image(slices: int, side: int = 6, seed: int = 1) -> Tensor:
    """Attenuation in 1/mm: blocks in a background of air, different in every slice."""
    random = torch.Generator().manual_seed(seed)
    x = torch.zeros(slices, side, side)
    x[:, 1:5, 1:4] = 0.02
    x[:, 2:4, 2:5] = 0.03
    return x * (0.5 + torch.rand(slices, 1, 1, generator=random))


def _ray_lengths(rays: int, voxels: int, spacing: float, seed: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    lengths = spacing * torch.rand(rays, voxels, generator=random, dtype=torch.float64)
    return lengths * (torch.rand(rays, voxels, generator=random) < 0.4)
