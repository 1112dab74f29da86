"""Data consistency: the volume nearest to the prior's estimate that explains the measurement."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..operators.angular import missing_directions
from ..operators.base import LinearOperator
from ..scan.projections import Projections
from ..solvers.cg import conjugate_gradient
from ..solvers.preconditioner import RadialPreconditioner

# From so many views all round, projecting and back-projecting is nearly a convolution, and a preconditioned step is
# worth nearly two plain ones; from 8 views it is not (-0.12 dB).
FEWEST_VIEWS = 30
# So many steps are taken instead of a plain one.
PRECONDITIONED = 0.6
# What is carried from one call to the next.
CORRECTION = "correction"


@dataclass(frozen=True)
class ConjugateGradientConsistency:
    """A few conjugate-gradient steps on (A' W A + rho I) mu = A' W y + rho mu0, started from mu0.

    With the statistical weights W = 1 / variance and rho = 1 / tau^2 this is the Gaussian posterior mean for a prior
    estimate mu0 of standard deviation tau (1/mm). Without a noise model, or where it is not to be used, W = 1 (0 for
    dead detector pixels) and rho = 0: the number of steps alone regularises, as in Chung et al. 2024
    (arXiv:2303.05754), eq. 17.

    With the noise's weights the start is not mu0 but mu0 plus the correction that the previous call made to its own,
    and from many views fewer steps are taken, with a preconditioner (`carrying`).

    Attributes:
        operator: the projector A.
        weights: W, of the shape of the data, or None for 1.
        back_projected: A' W y.
        iterations: conjugate-gradient steps.
        statistical: whether W is the noise's and rho follows tau.
        preconditioner: near the inverse of A' W A + rho I, or None.
        carried: the correction of the previous call; part of a sampler's saved state. None: every call is on its own.
    """

    operator: LinearOperator
    weights: Tensor | None
    back_projected: Tensor
    iterations: int
    statistical: bool
    preconditioner: RadialPreconditioner | None = None
    carried: dict[str, Tensor] | None = field(default=None, compare=False)

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

    def carrying(self) -> ConjugateGradientConsistency:
        """The same for the levels of a sampler, each of which begins near where the one before ended.

        Without the noise's weights nothing changes: there the number of steps is the regularisation.
        """
        if not self.statistical:
            return self
        geometry, preconditioner = self.operator.geometry, None
        if geometry.is_stack and geometry.views >= FEWEST_VIEWS and missing_directions(geometry) == 0.0:
            shape, device = self.back_projected.shape, self.back_projected.device
            preconditioner = RadialPreconditioner.of(self._normal, (shape[0], shape[1], shape[2]), device)
        steps = self.iterations if preconditioner is None else math.ceil(PRECONDITIONED * self.iterations)
        return replace(self, iterations=steps, preconditioner=preconditioner, carried={})

    def _normal(self, v: Tensor) -> Tensor:
        """A' W A v."""
        projected = self.operator.forward(v)
        if self.weights is not None:
            projected = projected * self.weights
        return self.operator.adjoint(projected)

    def __call__(self, mu0: Tensor, tau: float) -> Tensor:
        """The consistent volume in 1/mm from the estimate `mu0`, whose standard deviation is `tau` (1/mm)."""
        rho = 1.0 / (tau * tau) if self.statistical else 0.0

        def normal(v: Tensor) -> Tensor:
            out = self._normal(v)
            return out + rho * v if rho else out

        right = self.back_projected + rho * mu0 if rho else self.back_projected
        carried, preconditioner = self.carried, self.preconditioner
        start = mu0 + carried[CORRECTION] if carried and CORRECTION in carried else mu0
        mu = conjugate_gradient(
            normal,
            right,
            start,
            self.iterations,
            batch_dims=int(self.operator.geometry.is_stack),
            precondition=None if preconditioner is None else lambda r: preconditioner(r, rho),
        )
        if carried is not None:
            carried[CORRECTION] = mu - mu0
        return mu
