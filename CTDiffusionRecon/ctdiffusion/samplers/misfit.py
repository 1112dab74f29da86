"""The gradient of the misfit of an image, for steps that go down it instead of solving for consistency."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..operators.base import LinearOperator
from ..scan.projections import Projections

# Steps of the power method for the largest curvature.
_POWER = 24


@dataclass(frozen=True)
class MisfitGradient:
    """Gradient of 1/2 |A mu - y|^2 in units of its largest curvature, all live rays alike.

    With `filtered` the residual is measured after the ramp filter: B (A mu - y) with filtered back-projection B in
    place of A'. Line integrals see coarse structure a hundred times better than fine, which B evens out; without it
    many hundreds of steps are needed.

    Attributes:
        operator: the projector A.
        data: y, 0 on dead detector pixels.
        live: 1 on the pixels that count, 0 on dead ones; None where all do.
        filtered: whether back-projection is filtered.
        curvature: largest eigenvalue of A' A or B A.
    """

    operator: LinearOperator
    data: Tensor
    live: Tensor | None
    filtered: bool
    curvature: float

    @staticmethod
    def of(operator: LinearOperator, projections: Projections, filtered: bool) -> MisfitGradient:
        """Leave out the rays of dead detector pixels, whose variance is infinite, and find the largest curvature."""
        data, variance = projections.data, projections.variance
        live = None if variance is None else variance.isfinite().to(data.dtype)
        data = data if live is None else data.where(live > 0, 0.0)
        slices = 1 if operator.geometry.is_stack else operator.grid.shape[0]
        mu = torch.rand((slices, *operator.grid.shape[1:]), generator=torch.Generator().manual_seed(0)).to(data.device)
        curvature = 0.0
        for _ in range(_POWER):
            mu = _back(operator, operator.forward(mu / mu.norm()), filtered)
            curvature = float(mu.norm())
        return MisfitGradient(operator, data, live, filtered, curvature)

    def __call__(self, mu: Tensor) -> Tensor:
        """The gradient in 1/mm at the image `mu` `[slice, row, column]` in 1/mm."""
        projected = self.operator.forward(mu)
        residual = (projected if self.live is None else projected * self.live) - self.data
        return _back(self.operator, residual, self.filtered) / self.curvature


def _back(operator: LinearOperator, y: Tensor, filtered: bool) -> Tensor:
    return operator.fbp(y, "hann") if filtered else operator.adjoint(y)
