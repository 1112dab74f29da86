"""The total-variation objective in physical units."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..operators.base import LinearOperator
from .gradient import gradient, length
from .inner import inner


@dataclass(frozen=True)
class TVObjective:
    """1/2 ||A x - y||_W^2 + lambda (TV_inplane(x) + z_weight TV_z(x)) over x, optionally x >= 0.

    TV_inplane is the isotropic integral of |grad x| over the slice, TV_z that of |dx/dz|, both with the area of a
    pixel in mm2 and gradients per mm, so that lambda does not depend on the number of voxels. W = 1 / variance makes
    the objective the negative log posterior (penalised weighted least squares); lambda is then a pure number.

    Attributes:
        operator: A.
        data: line integrals y.
        weights: W of the shape of y (0 where a detector pixel is dead); None counts every ray alike.
        z_weight: 0 leaves the slices of a stack independent of one another.
        nonnegative: whether x >= 0 is imposed.

    Raises:
        ValueError: a negative or non-finite weight, or weights of another shape than the data.
    """

    operator: LinearOperator
    data: Tensor
    weights: Tensor | None = None
    z_weight: float = 0.0
    nonnegative: bool = True

    def __post_init__(self) -> None:
        if not 0.0 <= self.z_weight < float("inf"):
            raise ValueError(f"z_weight must not be negative, got {self.z_weight!r}")
        if self.weights is None:
            return
        if self.weights.shape != self.data.shape:
            raise ValueError(f"weights have shape {tuple(self.weights.shape)}, data {tuple(self.data.shape)}")
        if not bool((torch.isfinite(self.weights) & (self.weights >= 0)).all()):
            raise ValueError("weights must be finite and not negative (is a variance zero?)")

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in mm, (slice, row, column)."""
        return self.operator.grid.spacing

    @property
    def area(self) -> float:
        """Area of a pixel in mm2."""
        return self.spacing[1] * self.spacing[2]

    @property
    def coupled(self) -> bool:
        """Whether all slices make one problem (cone beams and z_weight > 0) rather than one each."""
        return self.z_weight > 0.0 or not self.operator.geometry.is_stack

    @property
    def batch_dims(self) -> int:
        """Leading axes that number independent problems."""
        return 0 if self.coupled else 1

    def root_weights(self) -> Tensor:
        """W^(1/2), of the shape of the data."""
        return torch.ones_like(self.data) if self.weights is None else self.weights.sqrt()

    def variation(self, x: Tensor) -> Tensor:
        """TV_inplane + z_weight TV_z of every problem, `[slice, 1, 1]` or `[1, 1, 1]`."""
        g = gradient(x, self.spacing, self.z_weight > 0.0)
        density = length(g)
        if self.z_weight > 0.0:
            density += self.z_weight * g[2].abs()
        return self.area * inner(density, torch.ones_like(density), self.batch_dims)

    def chi2(self, x: Tensor) -> Tensor:
        """Mean of W (A x - y)^2 over the rays that count, for every problem."""
        return mean_square(self.root_weights() * (self.operator.forward(x) - self.data), self.live(), self.batch_dims)

    def live(self) -> Tensor:
        """Number of rays with a positive weight, for every problem."""
        one = (self.root_weights() > 0).to(self.data.dtype)
        return inner(one, one, self.batch_dims)

    def value(self, x: Tensor, strength: Tensor | float) -> Tensor:
        """The objective of every problem at x with lambda = `strength` (x >= 0 is not checked)."""
        return 0.5 * self.live() * self.chi2(x) + strength * self.variation(x)

    def part(self, chosen: slice | Tensor) -> TVObjective:
        """The same problem for only the slices of a stack at `chosen`."""
        return replace(self, data=self.data[chosen], weights=None if self.weights is None else self.weights[chosen])


def mean_square(residual: Tensor, live: Tensor, batch_dims: int) -> Tensor:
    """Mean of residual^2 over `live` rays (0 where there is none)."""
    return inner(residual, residual, batch_dims) / live.clamp(min=1.0)
