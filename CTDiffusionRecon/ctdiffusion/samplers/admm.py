"""Data consistency with total variation, by one ADMM step per noise level."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..operators.base import LinearOperator
from ..scan.projections import Projections
from ..solvers.cg import conjugate_gradient
from .choices import AXES


@dataclass(frozen=True)
class TotalVariationConsistency:
    """One ADMM step per level on 1/2 ||A mu - y||_W^2 + ||mu - mu0||^2 / (2 tau^2) + lambda ||D mu||_1.

    D are the differences along `axes`, without wrapping around at the borders. DiffusionMBIR and DDS have them along z
    alone, where they bind the slices that a 2-D prior treats apart. Split variable d and dual p stay from one level
    to the next, so that the steps of all levels together converge. lambda = strength / tau and the penalty
    rho = 1 / tau^2 follow the prior's estimated error: differences below strength x tau count as error.

    Source: Chung et al. 2023 (DiffusionMBIR, arXiv:2211.10655), algorithm 1; Boyd et al. 2011, section 6.4.1.

    Attributes:
        operator: the projector A.
        weights: W.
        back_projected: A' W y.
        iterations: conjugate-gradient steps of the quadratic part.
        strength: threshold in units of tau.
        axes: axes of D.
        carried: d and p by axis, written by every call.
    """

    operator: LinearOperator
    weights: Tensor
    back_projected: Tensor
    iterations: int
    strength: float
    axes: tuple[int, ...]
    carried: dict[str, Tensor] = field(default_factory=dict)

    @staticmethod
    def of(
        operator: LinearOperator,
        projections: Projections,
        iterations: int,
        model_error: float,
        strength: float,
        axes: str,
        weighted: bool = True,
    ) -> TotalVariationConsistency:
        """Prepare W and A' W y.

        Without a noise model, or with one that is not to be used (`weighted`), every ray counts with the projector's
        own error, those of dead detector pixels with nothing.
        """
        data, variance = projections.data, projections.variance
        floor = max(model_error, 1e-4) ** 2
        if variance is not None and not weighted:
            variance = torch.where(variance.isfinite(), 0.0, variance)
        weights = torch.full_like(data, 1.0 / floor) if variance is None else (variance + floor).reciprocal()
        data = torch.where(weights > 0, data, torch.zeros_like(data)) * weights
        return TotalVariationConsistency(
            operator, weights, operator.adjoint(data), iterations, strength, AXES[axes]
        )

    def __call__(self, mu0: Tensor, tau: float) -> Tensor:
        """The next iterate in 1/mm from the estimate `mu0`, whose standard deviation is `tau` (1/mm)."""
        rho = 1.0 / (tau * tau)
        right = self.back_projected + rho * mu0
        for axis in self.axes:
            if f"d{axis}" in self.carried:
                right = right + _transposed(rho * self.carried[f"d{axis}"] - self.carried[f"p{axis}"], axis)

        def normal(v: Tensor) -> Tensor:
            out = self.operator.adjoint(self.operator.forward(v) * self.weights)
            out += rho * v
            for axis in self.axes:
                out += rho * _transposed(v.diff(dim=axis), axis)
            return out

        coupled = 0 in self.axes or not self.operator.geometry.is_stack
        mu = conjugate_gradient(normal, right, mu0, self.iterations, batch_dims=0 if coupled else 1)
        for axis in self.axes:
            difference = mu.diff(dim=axis)
            dual = self.carried.get(f"p{axis}", torch.zeros_like(difference))
            shifted = difference + dual / rho
            self.carried[f"d{axis}"] = torch.nn.functional.softshrink(shifted, self.strength * tau)
            self.carried[f"p{axis}"] = dual + rho * (difference - self.carried[f"d{axis}"])
        return mu


def _transposed(d: Tensor, axis: int) -> Tensor:
    """The transpose of `diff` along `axis`."""
    border = list(d.shape)
    border[axis] = 1
    zero = d.new_zeros(border)
    return torch.cat([zero, d], axis) - torch.cat([d, zero], axis)
