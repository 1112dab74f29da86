"""The primal-dual hybrid gradient iteration for total variation."""

from __future__ import annotations

import torch
from torch import Tensor

from .gradient import gradient, gradient_transpose, length
from .inner import inner, ratio
from .tv_objective import TVObjective, mean_square

# Measured on clinical slices at 30 views, see docs/notes/tv.md: over-relaxation (convergent below 2), the share of a
# pixel's step that goes to the gradient rather than the projector, and the primal step relative to the image.
RELAXATION = 1.9
GRADIENT_SHARE = 0.3
PRIMAL_SCALE = 0.5


class PrimalDual:
    """State of the iteration: x, the dual q of W^(1/2) A and the dual p of the gradient.

    Chambolle & Pock 2011, doi:10.1007/s10851-010-0251-1, with the diagonal preconditioning of Pock & Chambolle 2011,
    doi:10.1109/ICCV.2011.6126441 (row and column sums, alpha = 1, and no norm to estimate) and over-relaxation
    (Condat 2013, doi:10.1007/s10957-012-0245-9). One forward and one back-projection per iteration.

    Args:
        objective: the problem.
        start: first x, `[slice, row, column]` in 1/mm; not changed.

    Attributes:
        x: the image after the latest iteration, feasible.
        change: ||x_new - x|| / ||x_new|| of the latest iteration for every problem.
        chi2: mean of W (A x - y)^2 for every problem, at the extrapolated x of the latest iteration.
    """

    def __init__(self, objective: TVObjective, start: Tensor) -> None:
        self.objective = objective
        operator, self._dims = objective.operator, objective.batch_dims
        self._along_z = objective.z_weight > 0.0
        self._S, self._y = objective.root_weights(), objective.data
        self._live = objective.live()
        stack = operator.geometry.is_stack
        ones = torch.ones_like(start[:1] if stack else start)
        rows = operator.forward(ones).expand_as(self._y)
        columns = operator.adjoint(self._S)
        scale = PRIMAL_SCALE * _mean_attenuation(self._y, rows, self._S, self._dims)
        # Each of the two in-plane axes may add `budget` to a column sum; z as much again.
        budget = 0.5 * GRADIENT_SHARE * columns.mean(dim=(1, 2) if self._dims else None, keepdim=True)
        dz, dy, dx = objective.spacing
        plane = 0.25 * budget * min(dx, dy) ** 2
        slope = 4.0 * plane * (1.0 / dx**2 + 1.0 / dy**2) + (budget if self._along_z else 0.0)
        self._tau = ratio(scale.expand_as(columns), columns + slope)
        self._sigma = ratio(torch.ones_like(rows), scale * self._S * rows)
        self._plane_step = plane / scale
        self._z_step = 0.25 * budget * dz**2 / scale
        self.x = start.clamp(min=0.0) if objective.nonnegative else start.clone()
        self._x = self.x
        self._q = torch.zeros_like(self._y)
        self._p = gradient(torch.zeros_like(start), objective.spacing, self._along_z)
        self.change = torch.full_like(self._live, torch.inf)
        self.chi2 = torch.full_like(self._live, torch.inf)

    def iterate(self, strength: Tensor) -> None:
        """One iteration with lambda = `strength`, one value for every problem."""
        objective = self.objective
        operator, spacing = objective.operator, objective.spacing
        x = operator.adjoint(self._S * self._q).add_(gradient_transpose(self._p, spacing))
        x = torch.addcmul(self._x, self._tau, x, value=-1.0)
        if objective.nonnegative:
            x.clamp_(min=0.0)
        step = x - self._x
        extrapolated = x + step
        residual = self._S * (operator.forward(extrapolated) - self._y)
        q = (self._q + self._sigma * residual) / (1.0 + self._sigma)
        p = gradient(extrapolated, spacing, self._along_z)
        p[:2].mul_(self._plane_step)
        if self._along_z:
            p[2].mul_(self._z_step)
        self._project(p.add_(self._p), strength)
        self.change = ratio(inner(step, step, self._dims), inner(x, x, self._dims)).sqrt()
        self.chi2 = mean_square(residual, self._live, self._dims)
        self.x = x
        self._x = torch.add(self._x, step, alpha=RELAXATION)
        self._q = torch.lerp(self._q, q, RELAXATION)
        self._p = torch.lerp(self._p, p, RELAXATION)

    def _project(self, p: Tensor, strength: Tensor) -> None:
        """p onto the balls |p_inplane| <= lambda area and |p_z| <= z_weight lambda area, in place."""
        bound = strength * self.objective.area
        if self._along_z:
            limit = self.objective.z_weight * bound
            p[2].clamp_(-limit, limit)
        if bool((bound <= 0).any()):
            p[:2] *= bound > 0
        p[:2] /= length(p).div_(bound.clamp(min=torch.finfo(p.dtype).tiny)).clamp_(min=1.0)

    def keep(self, chosen: Tensor) -> None:
        """Go on with only these slices of a stack (indices), when the others have converged."""
        self.objective = self.objective.part(chosen)
        for name in (
            "x",
            "change",
            "chi2",
            "_S",
            "_y",
            "_live",
            "_tau",
            "_sigma",
            "_plane_step",
            "_z_step",
            "_x",
            "_q",
        ):
            setattr(self, name, getattr(self, name)[chosen])
        self._p = self._p[:, chosen]


def _mean_attenuation(y: Tensor, rows: Tensor, S: Tensor, dims: int) -> Tensor:
    """Size of the image in 1/mm from the data alone: ||y|| / ||A 1|| over the rays that count; 1 for empty data."""
    live = (S > 0).to(y.dtype)
    size = ratio(inner(live * y, y, dims), inner(live * rows, rows, dims)).sqrt()
    return torch.where(size > 0, size, torch.ones_like(size))
