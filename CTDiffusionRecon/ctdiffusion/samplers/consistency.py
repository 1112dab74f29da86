"""Data consistency: the volume nearest to the prior's estimate that explains the measurement."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..operators.base import LinearOperator
from ..scan.projections import Projections
from ..solvers.cg import conjugate_gradient


@dataclass(frozen=True)
class ConjugateGradientConsistency:
    """A few conjugate-gradient steps on (A' W A + rho I) mu = A' W y + rho mu0, started from mu0.

    With the statistical weights W = 1 / variance and rho = 1 / tau^2 this is the Gaussian posterior mean for a prior
    estimate mu0 of standard deviation tau (1/mm). Without a noise model, or where it is not to be used, W = 1 (0 for
    dead detector pixels) and rho = 0: the number of steps alone regularises, as in Chung et al. 2024
    (arXiv:2303.05754), eq. 17.

    Attributes:
        operator: the projector A.
        weights: W, of the shape of the data, or None for 1.
        back_projected: A' W y.
        iterations: conjugate-gradient steps.
        statistical: whether W is the noise's and rho follows tau.
    """

    operator: LinearOperator
    weights: Tensor | None
    back_projected: Tensor
    iterations: int
    statistical: bool

    @staticmethod
    def of(
        operator: LinearOperator,
        projections: Projections,
        iterations: int,
        model_error: float = 0.0,
        weighted: bool = True,
    ) -> ConjugateGradientConsistency:
        """Prepare W and A' W y once for all steps of a sampler.

        Args:
            model_error: standard deviation of the projector's own error in a line integral. It bounds the weights of
                rays through air, which would otherwise be trusted beyond what a voxel grid can represent, and so
                conditions the system.
            weighted: use the noise model, if there is one.
        """
        data, variance = projections.data, projections.variance
        if variance is None or (not weighted and bool(variance.isfinite().all())):
            return ConjugateGradientConsistency(operator, None, operator.adjoint(data), iterations, False)
        weights = (variance + model_error**2).reciprocal() if weighted else variance.isfinite().to(data.dtype)
        # A dead pixel has weight 0, and its datum must not turn into 0 x inf.
        data = torch.where(weights > 0, data, torch.zeros_like(data)) * weights
        return ConjugateGradientConsistency(operator, weights, operator.adjoint(data), iterations, weighted)

    def __call__(self, mu0: Tensor, tau: float) -> Tensor:
        """The consistent volume in 1/mm from the estimate `mu0`, whose standard deviation is `tau` (1/mm)."""
        rho = 1.0 / (tau * tau) if self.statistical else 0.0

        def normal(v: Tensor) -> Tensor:
            projected = self.operator.forward(v)
            if self.weights is not None:
                projected = projected * self.weights
            out = self.operator.adjoint(projected)
            return out + rho * v if rho else out

        right = self.back_projected + rho * mu0 if rho else self.back_projected
        return conjugate_gradient(normal, right, mu0, self.iterations, batch_dims=int(self.operator.geometry.is_stack))
